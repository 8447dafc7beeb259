"use strict";
(function () {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const charts = Array.from(document.querySelectorAll(".chart"));
  const figures = data.figures;
  // A4 less its margins, in CSS pixels.
  const paper = { whole: { width: 690, height: 215 }, half: { width: 335 } };
  let printing = false;

  function palette() {
    return data.palettes[dark.matches && !printing ? "dark" : "light"];
  }

  function coloured(trace, colours) {
    const of = (role) => colours[role];
    const colour = Array.isArray(trace.meta) ? trace.meta.map(of) : of(trace.meta);
    const marker = { ...trace.marker, color: colour };
    if (marker.line !== undefined) {
      marker.line = { ...marker.line, color: colour };
    }
    const result = { ...trace, marker: marker };
    if (trace.type !== "bar") {
      result.line = { ...trace.line, color: colour };
    }
    return result;
  }

  function axis(given, colours) {
    return {
      ...given,
      gridcolor: colours.line,
      linecolor: colours.line,
      zerolinecolor: colours.line,
      tickfont: { color: colours.muted },
    };
  }

  function laidOut(layout, colours, size) {
    return {
      ...layout,
      width: undefined,
      ...size,
      autosize: size === undefined,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 13, color: colours.text },
      hoverlabel: { bgcolor: colours.panel, bordercolor: colours.line, font: { color: colours.text } },
      xaxis: axis(layout.xaxis, colours),
      yaxis: axis(layout.yaxis, colours),
    };
  }

  function draw(element) {
    const figure = figures[element.dataset.figure];
    const colours = palette();
    const size = printing ? paper[element.dataset.size] : undefined;
    // When the window changes, plotly.js forgets the layout's height, and takes the element's.
    element.style.height = `${(size && size.height) || figure.layout.height}px`;
    return Plotly.react(
      element,
      figure.data.map((trace) => coloured(trace, colours)),
      laidOut(figure.layout, colours, size),
      { displayModeBar: false, responsive: true, showTips: false }
    );
  }

  function drawAll() {
    charts.forEach(draw);
  }

  const format = new Intl.NumberFormat("en", {
    minimumFractionDigits: data.decimals,
    maximumFractionDigits: data.decimals,
  });

  function text(value, nothing) {
    return value === null ? nothing : format.format(value).replace("-", "\u2212");
  }

  function cell(row, name, content) {
    const made = document.createElement(name);
    if (name === "th") {
      made.scope = "row";
    }
    made.textContent = content;
    row.appendChild(made);
  }

  function fillTable(member) {
    const body = document.querySelector("#store-table tbody");
    const rows = document.createDocumentFragment();
    for (let at = data.days.length - 1; at >= 0; at -= 1) {
      if (member.actual[at] === null && member.forecast[at] === null && !member.missing.includes(at)) {
        continue;
      }
      const row = document.createElement("tr");
      cell(row, "th", data.days[at]);
      cell(row, "td", text(member.actual[at], data.nothing));
      cell(row, "td", text(member.forecast[at], member.missing.includes(at) ? data.missing : data.nothing));
      rows.appendChild(row);
    }
    body.replaceChildren(rows);
  }

  function choose(position) {
    const member = data.members[position];
    const [actual, forecast] = figures.store.data;
    actual.x = forecast.x = data.days;
    actual.y = member.actual;
    forecast.y = member.forecast;
    const chart = document.getElementById("store-chart");
    chart.setAttribute("aria-label", member.described);
    document.getElementById("store-told").textContent = member.told;
    document.getElementById("one-title").textContent = member.title;
    fillTable(member);
    return draw(chart);
  }

  const chooser = document.getElementById("store");
  if (chooser !== null) {
    choose(chooser.selectedIndex);
    chooser.addEventListener("change", () => choose(chooser.selectedIndex));
  }
  drawAll();
  dark.addEventListener("change", drawAll);
  window.addEventListener("beforeprint", () => {
    printing = true;
    drawAll();
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    drawAll();
  });
  document.documentElement.dataset.drawn = "true";
})();
