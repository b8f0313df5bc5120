// What every page does: the theme, times in the reader's language, and the filter of the members' page.
"use strict";

// The only scripts that a page may add are data files of its own, and the library for zooming.
var propsbotUrl = (function () {
  var check = function (url) {
    if (/^(data\/[0-9a-z-]+|(\.\.\/)*assets\/uplot)\.js$/.test(url)) return url;
    throw new TypeError("this page loads no " + url);
  };
  if (!window.trustedTypes) return check;
  var policy = trustedTypes.createPolicy("propsbot", {createScriptURL: check});
  return function (url) { return policy.createScriptURL(url); };
})();

(function () {
  var KEY = "propsbot-theme";
  var root = document.documentElement;
  var dark = matchMedia("(prefers-color-scheme: dark)");
  // Browsers can refuse to store anything.
  function stored() { try { return localStorage.getItem(KEY); } catch (_) { return null; } }
  function store(theme) { try { localStorage.setItem(KEY, theme); } catch (_) { /* It holds for this page. */ } }
  function isDark() { return root.dataset.theme ? root.dataset.theme === "dark" : dark.matches; }
  var theme = stored();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  function formats() {
    var day = {year: "numeric", month: "short", day: "numeric"};
    var language = navigator.languages && navigator.languages.length ? navigator.languages : undefined;
    return {
      utc: new Intl.DateTimeFormat(language, Object.assign({timeZone: "UTC"}, day)),
      day: new Intl.DateTimeFormat(language, day),
      time: new Intl.DateTimeFormat(language, Object.assign({hour: "numeric", minute: "2-digit"}, day)),
      month: new Intl.DateTimeFormat(language, {year: "numeric", month: "short", timeZone: "UTC"}),
    };
  }

  // Shows times below an element in the reader's language and time zone.
  window.propsbotTimes = function (element) {
    var format = formats();
    element.querySelectorAll("time:not([datetime])").forEach(function (time) {
      var iso = time.textContent.trim().replace(" ", "T");
      var date = new Date(iso);
      if (isNaN(date)) return;
      time.dateTime = iso;
      // Of some, only the day is told, which is the one in UTC.
      if (iso.length === 10) {
        time.textContent = format.utc.format(date);
        return;
      }
      var isDay = time.classList.contains("day");
      time.textContent = (isDay ? format.day : format.time).format(date);
      if (isDay) time.title = format.time.format(date);
    });
  };

  // Shows the months of charts and tables in the reader's language.
  function months() {
    var format = formats().month;
    document.querySelectorAll(".ticks text, .chart tbody th, .coverage thead span").forEach(function (name) {
      if (/^\d{4}-\d{2}$/.test(name.textContent)) name.textContent = format.format(new Date(name.textContent));
    });
  }

  // A page with many thanks links each name once. Those that stand there again become links, too.
  function links() {
    var pages = new Map();
    document.querySelectorAll(".partners a, .thanks a").forEach(function (link) { pages.set(link.textContent, link.href); });
    document.querySelectorAll(".thanks b").forEach(function (name) {
      var link = document.createElement("a");
      link.href = pages.get(name.textContent);
      link.textContent = name.textContent;
      name.replaceWith(link);
    });
  }

  function filter() {
    var input = document.getElementById("filter");
    if (!input) return;
    input.parentElement.hidden = false;
    var rows = Array.from(document.querySelectorAll(".members tbody tr"));
    var names = rows.map(function (row) { return row.cells[0].textContent.toLowerCase(); });
    input.addEventListener("input", function () {
      var words = input.value.trim().toLowerCase();
      var shown = 0;
      rows.forEach(function (row, at) {
        row.hidden = !names[at].includes(words);
        if (!row.hidden) shown++;
      });
      document.getElementById("none").hidden = shown > 0;
    });
  }

  addEventListener("DOMContentLoaded", function () {
    var button = document.getElementById("theme");
    function label() { button.textContent = isDark() ? "Light theme" : "Dark theme"; }
    button.hidden = false;
    label();
    button.addEventListener("click", function () {
      root.dataset.theme = isDark() ? "light" : "dark";
      store(root.dataset.theme);
      label();
      dispatchEvent(new Event("propsbot-theme"));
    });
    dark.addEventListener("change", function () {
      label();
      dispatchEvent(new Event("propsbot-theme"));
    });
    window.propsbotTimes(document);
    months();
    links();
    filter();
  });
})();
