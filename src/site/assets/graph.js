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
  var names = {};
  document.querySelectorAll(".names text").forEach(function (name) { names[name.dataset.of] = name; });
  var near = [];
  var pointed = -1;

  function point(number) {
    near.forEach(function (node) { node.classList.remove("near"); });
    near = [];
    pointed = number;
    svg.classList.toggle("pointing", number >= 0);
    if (number < 0) {
      own.setAttribute("d", "");
      told.textContent = "";
      return;
    }
    var from = places[number];
    var own_and_near = links[number].concat(number);
    near = own_and_near.map(function (other) { return nodes[other]; });
    near = near.concat(own_and_near.map(function (other) { return names[other]; }).filter(Boolean));
    near.forEach(function (node) { node.classList.add("near"); });
    own.setAttribute("d", links[number].map(function (other) { return "M" + from + "L" + places[other]; }).join(""));
    told.textContent = nodes[number].querySelector("title").textContent;
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
