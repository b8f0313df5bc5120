// Shows a member's arrows when they are pointed at or focused, and zooms. `propsbotGraph` has, for each node, whom it
// thanked and how often: numbers of nodes and of thanks, one after the other.
"use strict";

(function () {
  var svg = document.getElementById("graph");
  var own = document.getElementById("own");
  var told = document.getElementById("of");
  var nodes = Array.from(document.getElementById("nodes").children);
  var places = nodes.map(function (node) {
    var circle = node.querySelector("circle");
    return [+circle.getAttribute("cx"), +circle.getAttribute("cy"), +circle.getAttribute("r")];
  });
  if (!window.propsbotGraph) {
    told.textContent = "The file with the links could not be read.";
    told.parentElement.hidden = false;
    return;
  }
  // For each node, the others with the number of thanks.
  var given = nodes.map(function () { return []; });
  var received = nodes.map(function () { return []; });
  propsbotGraph.forEach(function (to, from) {
    for (var at = 0; at + 1 < to.length; at += 2) {
      given[from].push([to[at], to[at + 1]]);
      received[to[at]].push([from, to[at + 1]]);
    }
  });
  var names = {};
  document.querySelectorAll(".names text").forEach(function (name) { names[name.dataset.of] = name; });
  function path(kind, part) {
    var made = document.createElementNS("http://www.w3.org/2000/svg", "path");
    made.setAttribute("class", kind + " " + part);
    return own.appendChild(made);
  }
  var drawn = ["in", "out"].map(function (kind) { return [path(kind, "line"), path(kind, "heads")]; });
  var BEND = 0.12;
  // As in src/site/pages/graph.rs.
  function draw(paths, arrows) {
    var lines = "", heads = "";
    arrows.forEach(function (arrow) {
      var from = places[arrow[0]], to = places[arrow[1]];
      var x = to[0] - from[0], y = to[1] - from[1];
      var bend = [x / 2 - y * BEND, y / 2 + x * BEND];
      lines += "M" + from[0] + "," + from[1] + "q" + bend + "," + x + "," + y;
      var far = Math.hypot(x - bend[0], y - bend[1]) || 1;
      var dx = (x - bend[0]) / far, dy = (y - bend[1]) / far;
      var size = Math.max(6, Math.min(11, to[2]));
      heads += "M" + (to[0] - dx * to[2]) + "," + (to[1] - dy * to[2]);
      heads += "l" + (-dx - dy * 0.42) * size + "," + (-dy + dx * 0.42) * size;
      heads += "," + dy * 0.84 * size + "," + -dx * 0.84 * size + "z";
    });
    paths[0].setAttribute("d", lines);
    paths[1].setAttribute("d", heads);
  }
  // A node's name and its numbers.
  function toldOf(number) {
    var text = nodes[number].querySelector("title").textContent;
    var end = text.lastIndexOf(": ");
    return end < 0 ? [text, ""] : [text.slice(0, end), text.slice(end)];
  }
  function most(word, links) {
    var first = links.reduce(function (best, link) { return best && best[1] >= link[1] ? best : link; }, null);
    return first ? "; " + word + " " + toldOf(first[0])[0] + " (" + first[1] + ")" : "";
  }
  var near = [];
  var pointed = -1;

  function point(number) {
    near.forEach(function (node) { node.classList.remove("near"); });
    near = [];
    pointed = number;
    svg.classList.toggle("pointing", number >= 0);
    draw(drawn[0], number < 0 ? [] : received[number].map(function (link) { return [link[0], number]; }));
    draw(drawn[1], number < 0 ? [] : given[number].map(function (link) { return [number, link[0]]; }));
    if (number < 0) {
      told.textContent = "Point at a member: orange arrows are thanks they gave, blue ones thanks they received.";
      return;
    }
    var shown = given[number].concat(received[number]).map(function (link) { return link[0]; }).concat(number);
    near = shown.map(function (other) { return nodes[other]; });
    near = near.concat(shown.map(function (other) { return names[other]; }).filter(Boolean));
    near.forEach(function (node) { node.classList.add("near"); });
    told.textContent = toldOf(number).join("") + most("most from", received[number]) + most("most to", given[number]);
  }

  nodes.forEach(function (node, number) {
    // The first tap points at a member, the second one opens their page.
    var isTapped = false;
    node.addEventListener("pointerenter", function (event) { if (event.pointerType !== "touch") point(number); });
    node.addEventListener("pointerleave", function (event) { if (event.pointerType !== "touch") point(-1); });
    node.addEventListener("pointerdown", function (event) { isTapped = event.pointerType === "touch" && pointed !== number; });
    node.addEventListener("click", function (event) {
      if (!isTapped) return;
      isTapped = false;
      event.preventDefault();
      point(number);
    });
    node.addEventListener("focus", function () {
      if (!isTapped) point(number);
      see(places[number]);
    });
    node.addEventListener("blur", function () { point(-1); });
  });

  var whole = svg.viewBox.baseVal;
  var width = whole.width, height = whole.height;
  var view = {x: 0, y: 0, scale: 1};
  function zoom(factor, x, y) {
    var scale = factor ? Math.min(12, Math.max(1, view.scale * factor)) : 1;
    // What is below the pointer stays there.
    view.x += x * width * (1 / view.scale - 1 / scale);
    view.y += y * height * (1 / view.scale - 1 / scale);
    view.scale = scale;
    move(0, 0);
  }
  function move(x, y) {
    var w = width / view.scale, h = height / view.scale;
    view.x = Math.min(width - w, Math.max(0, view.x + x));
    view.y = Math.min(height - h, Math.max(0, view.y + y));
    svg.setAttribute("viewBox", [view.x, view.y, w, h].join(" "));
    // Once zoomed, fingers move the picture instead of the page.
    svg.style.touchAction = view.scale > 1 ? "none" : "";
  }
  // Moves so far that a place is in the picture.
  function see(place) {
    var w = width / view.scale, h = height / view.scale;
    var isInside = place[0] > view.x && place[0] < view.x + w && place[1] > view.y && place[1] < view.y + h;
    if (!isInside) move(place[0] - w / 2 - view.x, place[1] - h / 2 - view.y);
  }
  document.querySelectorAll(".tools button").forEach(function (button) {
    button.addEventListener("click", function () { zoom(+button.dataset.zoom, 0.5, 0.5); });
  });
  told.parentElement.hidden = false;
  point(-1);
  svg.addEventListener("wheel", function (event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    var box = svg.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, {passive: false});
  var last = null;
  svg.addEventListener("pointerdown", function (event) { last = view.scale > 1 ? event : null; });
  ["pointerup", "pointercancel"].forEach(function (end) { addEventListener(end, function () { last = null; }); });
  svg.addEventListener("dragstart", function (event) { event.preventDefault(); });
  svg.addEventListener("pointermove", function (event) {
    if (!last) return;
    var box = svg.getBoundingClientRect();
    move((last.clientX - event.clientX) / box.width * width / view.scale, (last.clientY - event.clientY) / box.height * height / view.scale);
    last = event;
  });
})();
