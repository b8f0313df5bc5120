// Searches all thanks. `propsbotNames` has the members; thanks are in a script for each month, the newest first: four
// values for each of them (see src/site/pages/search.rs in propsbot).
"use strict";

var propsbot = [];

(function () {
  var PAGE = 30;
  // Indexing pauses this often, so that the page answers.
  var STEP = 2000;
  var state = document.getElementById("state");
  var input = document.getElementById("words");
  var list = document.getElementById("found");
  var more = document.getElementById("more");
  var files = state.dataset.files.trim().split(" ");
  var all = [];
  var failed = [];
  var shown = PAGE;
  var loaded = 0;
  var index = new MiniSearch({
    fields: ["reason", "giver", "receivers"],
    searchOptions: {boost: {giver: 2, receivers: 2}, prefix: true, fuzzy: function (word) { return word.length > 4 ? 0.15 : false; }, combineWith: "AND"},
    // Of languages without spaces, each letter is a word.
    tokenize: function (text) { return text.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{M}\p{N}_]+|\p{Extended_Pictographic}/gu) || []; },
    processTerm: function (word) { return word.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase(); },
  });

  function load(name) {
    return new Promise(function (done) {
      var script = document.createElement("script");
      script.src = propsbotUrl("data/" + name);
      script.onload = done;
      script.onerror = function () {
        failed.push(name);
        done();
      };
      document.head.append(script);
    });
  }

  function pause() { return new Promise(function (done) { setTimeout(done); }); }

  async function add(month) {
    function who(number) { return number < 0 ? ["", "someone"] : propsbotNames[number]; }
    var docs = [];
    var minutes;
    for (var at = 0; at + 3 < month.length; at += 4) {
      minutes = at ? minutes - month[at] : month[at];
      var giver = who(month[at + 1]);
      var receivers = [].concat(month[at + 2]).map(who);
      var reason = month[at + 3];
      all.push({minutes: minutes, giver: giver, receivers: receivers, reason: reason});
      docs.push({id: all.length - 1, giver: giver[1], receivers: receivers.map(function (one) { return one[1]; }).join(" "), reason: reason});
    }
    for (var from = 0; from < docs.length; from += STEP) {
      index.addAll(docs.slice(from, from + STEP));
      await pause();
    }
  }

  function element(name, text, parent) {
    var made = document.createElement(name);
    if (text) made.textContent = text;
    parent.append(made);
    return made;
  }

  function person(who, parent) {
    if (!who[0]) return element("i", who[1], parent);
    var link = element("a", "", parent);
    link.href = "member/" + who[0] + ".html";
    link.textContent = who[1];
  }

  // The text with the found words marked.
  function marked(text, terms, parent) {
    var words = text.split(/([\p{L}\p{M}\p{N}_]+)/u);
    words.forEach(function (word) {
      var plain = word.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase();
      if (terms.has(plain)) element("mark", word, parent);
      else parent.append(word);
    });
  }

  function show() {
    var words = input.value.trim();
    var found = words ? index.search(words) : [];
    // As good ones come by their time, newest first.
    found.sort(function (a, b) { return b.score - a.score || all[b.id].minutes - all[a.id].minutes; });
    list.textContent = "";
    found.slice(0, shown).forEach(function (hit) {
      var thanks = all[hit.id];
      var item = element("li", "", list);
      person(thanks.giver, item);
      item.append(" ");
      element("span", "thanked", item);
      item.append(" ");
      thanks.receivers.forEach(function (who, at) {
        if (at) item.append(", ");
        person(who, item);
      });
      item.append(" ");
      element("time", new Date(thanks.minutes * 60000).toISOString().slice(0, 16).replace("T", " ") + "Z", item);
      if (thanks.reason) {
        var reason = element("p", "", item);
        marked(thanks.reason, new Set(hit.terms), reason);
      }
    });
    window.propsbotTimes(list);
    more.hidden = found.length <= shown;
    tell(words, found.length);
  }

  function tell(words, found) {
    var text = !words ? all.length.toLocaleString() + " can be searched." : found === 0 ? "Nothing found." : found.toLocaleString() + " found.";
    if (loaded < files.length) text += " Still reading older ones: " + loaded + " of " + files.length + " months.";
    if (failed.length) text += " Could not read " + failed.join(", ") + ", so some are missing.";
    state.textContent = text;
  }

  if (!window.propsbotNames) {
    state.textContent = "The file with the names could not be read.";
    return;
  }
  document.getElementById("search").hidden = false;
  // Somebody may have written the address by hand.
  try { input.value = decodeURIComponent(location.hash.slice(1)); } catch (_) { input.value = ""; }
  input.addEventListener("input", function () {
    shown = PAGE;
    show();
  });
  more.addEventListener("click", function () {
    shown += PAGE;
    show();
  });
  (async function () {
    for (var name of files) {
      await load(name);
      while (propsbot.length) await add(propsbot.shift());
      loaded++;
      if (input.value.trim() && (loaded === 1 || loaded === files.length)) show();
      else tell(input.value.trim(), list.children.length);
    }
    if (input.value.trim()) show();
    document.documentElement.dataset.searchable = "yes";
  })();
})();
