// A small graph, written by hand from SourceCred's file formats: what the checks are developed and broken against.

import {mkdir, writeFile} from "node:fs/promises";
import {join} from "node:path";

const DAY = 86_400_000;
const START = Date.UTC(2024, 0, 1);

const MEMBERS = [
  {id: "80351110224678912", name: "ann"},
  {id: "175928847299117063", name: "bob"},
  {id: "1053015370115588147", name: "cleo"},
  {id: "1053015370115588148", name: "dan"},
  {id: "1053015370115588149", name: "helper", bot: true},
];
const [ANN, BOB, CLEO, , HELPER] = MEMBERS;
const PROPS = [
  [ANN, BOB],
  [CLEO, BOB],
  [ANN, BOB],
  [HELPER, BOB],
  [ANN, CLEO],
  [BOB, CLEO],
  [CLEO, HELPER],
];

/** What the graph says, as `readThanks` would tell it. */
export const THANKS = {
  thanked: new Set(PROPS.map(([, receiver]) => receiver.id)),
  mentioned: new Set(PROPS.map(([, receiver]) => receiver.id)),
};

const raw = (kind, parts) => `${kind}\0${parts.map((part) => `${part}\0`).join("")}`;
const memberParts = ({id, bot}) => ["sourcecred", "discord", "MEMBER", bot ? "bot" : "user", id];

/** Writes the three files into `dir`. `change` may alter them first, to break them. */
export async function writeFixture(dir, change = () => {}) {
  const nodes = MEMBERS.map((member) => ({address: memberParts(member), description: member.name, timestampMs: null}));
  const edges = [];
  PROPS.forEach(([giver, receiver], index) => {
    const timestampMs = START + index * DAY;
    const id = String(1_200_000_000_000_000_000n + BigInt(index));
    const message = ["external", "props", "MESSAGE", "1", id];
    nodes.push({address: message, description: `props ${index}`, timestampMs});
    edges.push(
      {address: ["external", "props", "AUTHORS", id], src: memberParts(giver), dst: message, timestampMs},
      {address: ["external", "props", "PROPS", id], src: message, dst: memberParts(receiver), timestampMs},
    );
  });

  const order = (a, b) => (raw("", a.address) < raw("", b.address) ? -1 : 1);
  nodes.sort(order);
  edges.sort(order);
  const indexOf = (parts) => nodes.findIndex((node) => raw("N", node.address) === raw("N", parts));
  const node = (name, parts, defaultWeight) => ({
    name,
    pluralName: `${name}s`,
    prefix: raw("N", parts),
    defaultWeight,
    description: `A ${name}.`,
  });
  const edge = (forwardName, backwardName, part, defaultWeight) => ({
    forwardName,
    backwardName,
    prefix: raw("E", ["external", "props", part]),
    defaultWeight,
    description: `Connects by "${forwardName}".`,
  });
  // One step below SourceCred's own type: it refuses to weigh one prefix twice.
  const members = ["user", "bot"].map((kind) => node("Member", ["sourcecred", "discord", "MEMBER", kind], 0));
  const files = {
    "graph.json": [
      {type: "sourcecred/weightedGraph", version: "0.1.0"},
      {
        graphJSON: [
          {type: "sourcecred/graph", version: "0.8.0"},
          {
            sortedNodeAddresses: nodes.map((n) => n.address),
            nodes: nodes.map(({description, timestampMs}, index) => ({index, description, timestampMs})),
            edges: edges.map(({address, src, dst, timestampMs}) => ({
              address,
              srcIndex: indexOf(src),
              dstIndex: indexOf(dst),
              timestampMs,
            })),
          },
        ],
        weightsJSON: [{type: "sourcecred/weights", version: "0.2.0"}, {nodeWeights: {}, edgeWeights: {}}],
      },
    ],
    "declaration.json": {
      name: "Props",
      nodePrefix: raw("N", ["external", "props"]),
      edgePrefix: raw("E", ["external", "props"]),
      nodeTypes: [...members, node("Message", ["external", "props", "MESSAGE"], 1)],
      edgeTypes: [
        edge("authors message", "message is authored by", "AUTHORS", {forwards: 0.25, backwards: 1}),
        edge("gives props to", "receives props from", "PROPS", {forwards: 19, backwards: 0.0625}),
      ],
      userTypes: members,
      keys: {operatorKeys: [], weightKeys: [], shareKeys: []},
    },
    "identityProposals.json": MEMBERS.map((m) => ({
      name: m.name,
      pluginName: "discord",
      type: m.bot ? "BOT" : "USER",
      alias: {address: raw("N", memberParts(m)), description: `discord/${m.name}`},
    })),
  };
  change(files);
  await mkdir(dir, {recursive: true});
  for (const [file, content] of Object.entries(files)) await writeFile(join(dir, file), JSON.stringify(content));
}
