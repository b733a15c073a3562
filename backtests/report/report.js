/* Draws every figure of the page with plotly, in the colours of the reader's scheme, and again when that changes.
   The buttons are named one by one: plotly's own set has one that sends the chart to its cloud. */
(function () {
  "use strict";
  const buttons = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"];
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
    const top = copy.showlegend === false ? 10 : 34;
    copy.margin = narrow.matches ? { l: 54, r: 6, t: top, b: 32 } : { l: 74, r: 14, t: 34, b: 34 };
    if (narrow.matches) copy.legend.font = { size: 11 };
    for (const key of Object.keys(copy)) {
      if (!/^[xy]axis/.test(key)) continue;
      copy[key].gridcolor = colour("--faint");
      copy[key].linecolor = copy[key].zerolinecolor = colour("--line");
      if (narrow.matches && key[0] === "y") copy[key].title = undefined;
      if (key[0] === "x") Object.assign(copy[key], { tickangle: 0, nticks: narrow.matches ? 4 : 8 });
    }
    return copy;
  }

  function draw() {
    for (const holder of document.querySelectorAll("script.figure")) {
      const figure = JSON.parse(holder.textContent);
      Plotly.react(holder.dataset.chart, figure.data, themed(figure.layout), {
        displaylogo: false,
        displayModeBar: !narrow.matches,
        modeBarButtons: [buttons],
        responsive: true,
        showSendToCloud: false,
        plotlyServerURL: "",
      });
    }
  }

  draw();
  dark.addEventListener("change", draw);
  narrow.addEventListener("change", draw);
})();
