// Lets charts be zoomed: shows them by week, and the stretch that is selected. A figure's `data-weeks` has the first
// week and a number for each, or the name of such a text in `propsbotWeeks`.
"use strict";

(function () {
  var WEEK = 7 * 24 * 3600;

  function numbers(text) {
    var parts = text.split(" ").map(Number);
    var start = parts.shift() / 1000;
    return [parts.map(function (_, at) { return start + at * WEEK; }), parts];
  }

  function draw(figure, data, name) {
    var style = getComputedStyle(document.documentElement);
    function colour(variable) {
      var probe = document.createElement("i");
      figure.append(probe);
      probe.style.color = "var(--" + variable + ")";
      var found = getComputedStyle(probe).color;
      probe.remove();
      return found;
    }
    var plot = figure.querySelector(".plot");
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

  document.querySelectorAll("figure[data-weeks]").forEach(function (figure) {
    var weeks = figure.dataset.weeks;
    var caption = figure.querySelector("figcaption");
    var isNamed = /^[a-z]+$/.test(weeks);
    var text = isNamed ? (window.propsbotWeeks || {})[weeks] : weeks;
    if (!text) {
      var missing = document.createElement("span");
      missing.className = "quiet";
      missing.textContent = "The file with the weeks could not be read.";
      caption.append(missing);
      return;
    }
    var title = caption.querySelector(".title");
    var whole = title.textContent;
    var name = whole.trim().split(" ")[0];
    var button = document.createElement("button");
    var chart = null;
    function toggle() {
      if (chart) {
        chart.destroy();
        chart = null;
      } else {
        chart = draw(figure, numbers(text), name);
      }
      figure.classList.toggle("zoomed", !!chart);
      title.textContent = chart ? whole.replace(/ by .*/, " by week") : whole;
      button.textContent = chart ? "Whole time" : "Zoom by week";
      button.setAttribute("aria-pressed", String(!!chart));
    }
    button.type = "button";
    button.textContent = "Zoom by week";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", toggle);
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
