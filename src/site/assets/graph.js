// Shows a member's links when they are pointed at or focused, and zooms. `propsbotGraph` has the links: two numbers of
// nodes and how many thanks, one after the other.
"use strict";

(function () {
  var svg = document.getElementById("graph");
  var own = document.getElementById("own");
  var told = document.getElementById("of");
  var nodes = Array.from(document.getElementById("nodes").children);
  var places = nodes.map(function (node) {
    var circle = node.querySelector("circle");
    return [+circle.getAttribute("cx"), +circle.getAttribute("cy")];
  });
  if (!window.propsbotGraph) {
    told.textContent = "The file with the links could not be read.";
    told.parentElement.hidden = false;
    return;
  }
  var links = nodes.map(function () { return []; });
  for (var at = 0; at + 2 < propsbotGraph.length; at += 3) {
    links[propsbotGraph[at]].push(propsbotGraph[at + 1]);
    links[propsbotGraph[at + 1]].push(propsbotGraph[at]);
  }
  var near = [];

  function point(number) {
    near.forEach(function (node) { node.classList.remove("near"); });
    near = [];
    svg.classList.toggle("pointing", number >= 0);
    if (number < 0) {
      own.setAttribute("d", "");
      told.textContent = "";
      return;
    }
    var from = places[number];
    near = links[number].map(function (other) { return nodes[other]; }).concat(nodes[number]);
    near.forEach(function (node) { node.classList.add("near"); });
    own.setAttribute("d", links[number].map(function (other) { return "M" + from + "L" + places[other]; }).join(""));
    told.textContent = nodes[number].querySelector("title").textContent;
  }

  nodes.forEach(function (node, number) {
    node.addEventListener("pointerenter", function () { point(number); });
    node.addEventListener("pointerleave", function () { point(-1); });
    node.addEventListener("focus", function () { point(number); });
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
  }
  document.querySelectorAll(".tools button").forEach(function (button) {
    button.addEventListener("click", function () { zoom(+button.dataset.zoom, 0.5, 0.5); });
  });
  told.parentElement.hidden = false;
  svg.addEventListener("wheel", function (event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    var box = svg.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, {passive: false});
  var last = null;
  svg.addEventListener("pointerdown", function (event) { last = view.scale > 1 && event.pointerType === "mouse" ? event : null; });
  addEventListener("pointerup", function () { last = null; });
  svg.addEventListener("dragstart", function (event) { event.preventDefault(); });
  svg.addEventListener("pointermove", function (event) {
    if (!last) return;
    var box = svg.getBoundingClientRect();
    move((last.clientX - event.clientX) / box.width * width / view.scale, (last.clientY - event.clientY) / box.height * height / view.scale);
    last = event;
  });
})();
