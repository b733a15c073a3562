/* Draws every figure of the page with plotly, in the colours of the reader's scheme, and again when that changes. */
(function () {
  "use strict";
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 560px)");

  function themed(layout) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const copy = JSON.parse(JSON.stringify(layout));
    copy.paper_bgcolor = copy.plot_bgcolor = "rgba(0,0,0,0)";
    copy.font = { color: colour("--muted"), size: 12, family: "system-ui, sans-serif" };
    copy.hoverlabel = {
      bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--text") },
    };
    copy.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour("--line"), activecolor: colour("--muted") };
    copy.margin = narrow.matches ? { l: 52, r: 6, t: 34, b: 32 } : { l: 74, r: 14, t: 34, b: 34 };
    for (const key of Object.keys(copy)) {
      if (!/^[xy]axis/.test(key)) continue;
      copy[key].gridcolor = colour("--faint");
      copy[key].linecolor = copy[key].zerolinecolor = colour("--line");
      if (narrow.matches && key[0] === "y") copy[key].title = undefined;
    }
    return copy;
  }

  function draw() {
    for (const holder of document.querySelectorAll("script.figure")) {
      const figure = JSON.parse(holder.textContent);
      Plotly.react(holder.dataset.chart, figure.data, themed(figure.layout), config);
    }
  }

  draw();
  dark.addEventListener("change", draw);
  narrow.addEventListener("change", draw);
})();
