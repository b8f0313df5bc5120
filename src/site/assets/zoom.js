// Lets plots be zoomed: shows them by week, and the stretch that is selected. A plot's `data-weeks` has when the first
// week begins, the highest number, and two letters for each week, or the name of such a text in `propsbotWeeks` (see
// `by_weeks` in src/site/pages/overview.rs in propsbot).
"use strict";

(function () {
  var WEEK = 7 * 24 * 3600;

  var assets = document.currentScript.getAttribute("src").replace("zoom.js", "");

  // Most readers never zoom, so the library comes with the first click.
  var library = null;
  function load() {
    library = library || new Promise(function (done, failed) {
      var style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = assets + "uplot.css";
      style.onload = function () {
        var script = document.createElement("script");
        script.src = propsbotUrl(assets + "uplot.js");
        script.onload = done;
        script.onerror = failed;
        document.head.append(script);
      };
      style.onerror = failed;
      document.head.append(style);
    });
    return library;
  }

  var DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

  function numbers(text, name) {
    var parts = text.split(" ");
    var start = parts[0] / 1000, top = +parts[1], letters = parts[2];
    var weeks = [], values = [];
    for (var at = 0; at + 1 < letters.length; at += 2) {
      var level = (DIGITS.indexOf(letters[at]) * 64 + DIGITS.indexOf(letters[at + 1])) / 4095;
      weeks.push(start + at / 2 * WEEK);
      values.push(name === "Thanks" ? Math.round(level * level * top) : +(level * level * top).toPrecision(3));
    }
    return [weeks, values];
  }

  function draw(plot, data, name) {
    var style = getComputedStyle(document.documentElement);
    function colour(variable) {
      var probe = document.createElement("i");
      plot.append(probe);
      probe.style.color = "var(--" + variable + ")";
      var found = getComputedStyle(probe).color;
      probe.remove();
      return found;
    }
    var label = colour("quiet");
    var axis = {stroke: label, font: "12px " + style.fontFamily, grid: {stroke: colour("line"), width: 1}, ticks: {show: false}};
    var language = navigator.language || undefined;
    var date = new Intl.DateTimeFormat(language, {dateStyle: "medium", timeZone: "UTC"});
    return new uPlot({
      width: plot.clientWidth,
      height: 220,
      tzDate: function (time) { return uPlot.tzDate(new Date(time * 1000), "UTC"); },
      axes: [axis, Object.assign({size: 44}, axis)],
      scales: {y: {range: function (_, low, high) { return [0, Math.max(high, 1)]; }}},
      series: [
        {label: "Week of", value: function (_, time) { return time == null ? "–" : date.format(new Date(time * 1000)); }},
        {label: name, stroke: colour(name === "Cred" ? "cred" : "received"), width: 1.5, fill: colour("track"), points: {show: false}},
      ],
    }, data, plot);
  }

  document.querySelectorAll(".plot[data-weeks]").forEach(function (plot) {
    var weeks = plot.dataset.weeks;
    var caption = plot.previousElementSibling;
    var isNamed = /^[a-z]+$/.test(weeks);
    var text = isNamed ? (window.propsbotWeeks || {})[weeks] : weeks;
    function miss(what) {
      var missing = document.createElement("span");
      missing.className = "quiet";
      missing.textContent = "The file with the " + what + " could not be read.";
      caption.append(missing);
    }
    if (!text) return miss("weeks");
    var title = caption.querySelector(".title");
    var ticks = plot.parentElement.querySelector(".ticks");
    var whole = title.textContent;
    var name = whole.trim().split(" ")[0];
    var button = document.createElement("button");
    var chart = null;
    function toggle() {
      if (chart) {
        chart.destroy();
        chart = null;
      } else {
        chart = draw(plot, numbers(text, name), name);
      }
      plot.classList.toggle("zoomed", !!chart);
      // The plot above keeps the names that both have.
      if (chart && caption.previousElementSibling) caption.before(ticks);
      else plot.after(ticks);
      title.textContent = chart ? whole.replace(/ by .*/, " by week") : whole;
      button.textContent = chart ? "Whole time" : "Zoom by week";
      button.setAttribute("aria-pressed", String(!!chart));
    }
    button.type = "button";
    button.textContent = "Zoom by week";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", function () {
      load().then(toggle, function () {
        button.remove();
        miss("library");
      });
    });
    caption.append(button);
    function again() {
      if (chart) {
        toggle();
        toggle();
      }
    }
    addEventListener("propsbot-theme", again);
    addEventListener("resize", again);
  });
})();
