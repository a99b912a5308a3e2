// The panel: everything that is known of one node, in words and numbers.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

class Details {
  constructor(root, graph, calls) {
    this.root = root;
    this.graph = graph;
    this.calls = calls; // sweep(), step(), go(id), agreement(id)
  }

  show(id) {
    if (id === null) {
      this.root.replaceChildren(...this.overview());
      return;
    }
    const thing = this.graph.thing(id);
    const kinds = { value: (t) => this.value(t), op: (t) => this.op(t), module: (t) => this.module(t), group: (t) => this.module(t) };
    this.root.replaceChildren(...kinds[thing.kind](thing));
  }

  overview() {
    const { data } = this.graph;
    const ops = data.nodes.filter((node) => node.kind === "op" && !node.id.includes("."));
    const boxes = data.clusters.filter((c) => c.box && !c.id.includes("."));
    const count = ops.length + boxes.length;
    const parts = [
      element("h2", {}, "This graph"),
      element("p", {}, `${plural(data.nodes.filter((n) => n.kind === "value" && !n.id.includes(".")).length, "value")}, ${plural(count, "operation")}${boxes.length ? `, ${boxes.length} of which can be opened` : ""}.`),
      element("p", {}, "Point at a node, or move to it with the arrow keys, to see its numbers. Click one with ▸ to open it."),
    ];
    for (const note of data.notes) parts.push(element("p", { class: "note" }, note));
    const list = element("ul", { class: "legend" });
    for (const [look, words] of [["leaf", "leaf: gets a gradient"], ["inner", "made by an operation"], ["constant", "constant"], ["op", "operation"]]) {
      list.append(element("li", {}, element("span", { class: `swatch ${look}` }), words));
    }
    if (data.sweeps.length) list.append(element("li", {}, element("span", { class: "swatch arc" }), "closed form: the gradient's short cut"));
    parts.push(list);
    return parts;
  }

  value(node) {
    const data = this.graph.summary(node.data);
    const role = { leaf: "Leaf", inner: "Value", constant: "Constant" }[node.role];
    const parts = [this.title(node, `${role}${node.result ? ", the result" : ""}`), ...this.array("Value", data)];
    if (node.role !== "constant") parts.push(...this.gradient(node));
    const kept = this.graph.summary(node.grad);
    if (kept) parts.push(...this.array(".grad, as backward left it", kept));
    parts.push(...this.agreement(node.id));
    parts.push(...this.ties(node), ...this.place(node));
    return parts;
  }

  gradient(node) {
    const sweep = this.calls.sweep();
    if (!sweep) return [element("p", { class: "note" }, "No gradient: there was no sweep.")];
    const now = sweep.at(node.id, this.calls.step());
    if (!now) {
      const jumped = !sweep.into.has(node.id);
      const why = jumped ? "nothing: a closed form jumps over this value, or no gradient flows here" : "not yet reached";
      return [element("h3", {}, "Gradient"), element("p", {}, `By ${sweep.sweep.title}: ${why}.`)];
    }
    const name = `Gradient by ${sweep.sweep.title}${now.whole ? "" : `, so far (${now.parts.length} of ${now.of})`}`;
    const parts = this.array(name, now.total, "gradient");
    if (now.parts.length > 1 || !now.whole) {
      const list = element("ul", { class: "sum" });
      for (const part of now.parts) {
        const from = this.graph.thing(part.from);
        const line = `${part.arc ? "closed form of " : ""}${called(from)}${part.name && !part.arc ? ` (its ${part.name})` : ""}: ${brief(this.graph.summary(part.cotangent))}`;
        list.append(element("li", {}, this.link(part.from, line)));
      }
      parts.push(element("p", {}, now.parts.length > 1 ? "It is the sum of what came from" : "So far it came from"), list);
    }
    return parts;
  }

  op(node) {
    const parts = [this.title(node, this.graph.clusters.has(node.id) ? "Operation, of other operations" : "Operation")];
    const params = Object.entries(node.params);
    if (params.length) parts.push(element("p", {}, params.map(([name, value]) => `${name}=${value}`).join(", ")));
    const sweep = this.calls.sweep();
    const told = sweep?.sweep.ops[node.id] || [node.derivation, node.formula];
    if (told[0]) {
      parts.push(element("h3", {}, "Derivation used"));
      parts.push(element("p", {}, element("strong", {}, told[0])));
      if (told[1]) parts.push(element("p", { class: "formula" }, told[1]));
    }
    const cluster = this.graph.clusters.get(node.id);
    const edges = cluster ? cluster.edges : this.graph.data.edges.filter((edge) => edge.target === node.id);
    const slopes = edges.filter((edge) => edge.derivative);
    if (slopes.length) parts.push(element("h3", {}, "Local derivatives"));
    for (const edge of slopes) parts.push(...this.derivative(edge));
    const sent = edges.filter((edge) => sweep && sweep.sweep.cotangents[edgeKey(edge)] !== undefined);
    if (sent.length) {
      const list = element("ul", { class: "sum" });
      for (const edge of sent) {
        const to = this.graph.thing(edge.source);
        list.append(element("li", {}, this.link(edge.source, `${called(to)}: ${brief(this.graph.summary(sweep.sweep.cotangents[edgeKey(edge)]))}`)));
      }
      parts.push(element("h3", {}, "Sends back"), list);
    }
    parts.push(...this.place(node));
    return parts;
  }

  derivative(edge) {
    const { kind, data, symbol } = edge.derivative;
    const s = this.graph.summary(data);
    const kinds = { elementwise: "entry by entry", jacobian: "a matrix: a row for each entry of the result", gradient: "", formula: "" };
    const line = element("p", { class: "formula" }, `∂out/∂${edge.name} = ${symbol || (s ? brief(s) : "…")}`);
    const parts = [line];
    if (s && (symbol || s.grid || (s.values && s.values.length > 1))) parts.push(...this.array("", s));
    if (s && kinds[kind] && (s.grid || (s.values || []).length > 1)) parts.push(element("p", { class: "note" }, kinds[kind]));
    return parts;
  }

  module(thing) {
    return [
      this.title(thing, thing.kind === "module" ? "Module" : "Part of the graph"),
      element("p", {}, `${plural(thing.size || thing.nodes || 0, "node")} inside.`),
      ...(thing.ops ? [element("p", {}, Object.entries(thing.ops).map(([op, n]) => `${n} ${op}`).join(", "))] : []),
    ];
  }

  // -- pieces -------------------------------------------------------------------------------------------------------

  title(thing, kind) {
    const name = thing.kind === "value" ? thing.label || (thing.result ? "result" : thing.id) : called(thing);
    return element("div", {}, element("p", { class: "kind" }, kind), element("h2", { class: "name" }, name));
  }

  array(name, s, look = "") {
    if (!s) return [];
    const parts = [];
    if (name) parts.push(element("h3", {}, name, element("span", { class: "shape" }, shape(s) ? ` ${shape(s)}` : "")));
    if (s.values) {
      const row = s.values.map(number);
      const width = s.shape.length > 1 ? s.shape[s.shape.length - 1] : 6;
      if (!row.length) parts.push(element("p", {}, "empty"));
      else if (row.length === 1) parts.push(element("p", { class: `big ${look}` }, row[0]));
      else {
        const table = element("table", { class: `numbers ${look}` });
        for (let i = 0; i < row.length; i += width) table.append(element("tr", {}, ...row.slice(i, i + width).map((x) => element("td", {}, x))));
        parts.push(table);
      }
      if (row.length > 2 && !s.values.some(Array.isArray)) parts.push(this.map(chunks(s.values, width)));
    } else {
      const said = s.low !== null && s.low !== undefined
        ? [["min", s.low], ["mean", s.mean], ["max", s.high], ["norm", s.norm]]
        : [["mean", s.mean]];
      for (const key of ["nans", "infs"]) if (s[key]) said.push([key.slice(0, 3), s[key]]);
      const rows = said.filter(([, x]) => x !== null && x !== undefined).map(([key, x]) => element("tr", {}, element("th", { scope: "row" }, key), element("td", {}, number(x))));
      parts.push(element("table", { class: `numbers ${look}` }, ...rows));
      if (s.grid?.length) parts.push(this.map(s.grid));
    }
    return parts;
  }

  // A small map of the numbers: blue below zero, red above, as deep as they are large.
  map(rows) {
    const flat = rows.flat().map(Number);
    const top = Math.max(...flat.filter(Number.isFinite).map(Math.abs), 0) || 1;
    const cell = Math.min(18, Math.floor(250 / rows[0].length));
    const svg = make("svg", { class: "map", width: rows[0].length * cell, height: rows.length * cell, "aria-hidden": "true" });
    rows.forEach((row, i) => row.forEach((x, j) => {
      const value = Number(x);
      const look = !Number.isFinite(value) ? "lost" : value < 0 ? "below" : "above";
      svg.append(make("rect", { x: j * cell, y: i * cell, width: cell - 1, height: cell - 1, class: look, "fill-opacity": Number.isFinite(value) ? (Math.abs(value) / top).toFixed(3) : 1 }));
    }));
    return svg;
  }

  agreement(id) {
    const found = this.calls.agreement(id);
    if (!found) return [];
    const { row, a, b } = found;
    const parts = [element("h3", {}, `${a} against ${b}`)];
    parts.push(element("p", { class: "digits" }, element("span", { class: `swatch d${bucket(row.digits)}` }), row.relative === 0 ? "the same to the last bit" : `${Math.floor(row.digits)} digits agree`));
    if (row.relative !== 0) {
      parts.push(element("p", {}, `Where they differ most${row.at.length ? `, at [${row.at.join(", ")}]` : ""}: ${String(row.x)} and ${String(row.y)}.`));
    }
    if (row.verdict) parts.push(element("p", { class: "note" }, `${row.verdict}${row.note ? `, ${row.note}` : row.verdict === "PASS" ? ": rounding explains the difference" : ""}`));
    return parts;
  }

  ties(node) {
    const { edges } = this.graph.data;
    const made = edges.find((edge) => edge.target === node.id);
    const parts = [];
    const near = (id) => this.calls.shown(id);
    if (made) parts.push(element("p", {}, "made by ", this.link(near(made.source), called(this.graph.thing(near(made.source))))));
    const takers = [...new Set([...edges, ...this.graph.data.clusters.flatMap((c) => c.edges)].filter((edge) => edge.source === node.id).map((edge) => near(edge.target)))].filter((id) => id && id !== node.id);
    if (takers.length) {
      const line = element("p", {}, "taken by ");
      takers.slice(0, 12).forEach((id, k) => line.append(k ? ", " : "", this.link(id, called(this.graph.thing(id)))));
      if (takers.length > 12) line.append(` and ${takers.length - 12} more`);
      parts.push(line);
    }
    return parts;
  }

  place(node) {
    return node.place ? [element("h3", {}, "Where"), element("p", { class: "place" }, node.place)] : [];
  }

  link(id, text) {
    const button = element("button", { type: "button", class: "link" }, text);
    button.addEventListener("click", () => this.calls.go(id));
    return button;
  }
}

function chunks(list, width) {
  const rows = [];
  for (let i = 0; i < list.length; i += width) rows.push(list.slice(i, i + width));
  return rows;
}

// Digits of agreement in five steps: 0 none, 4 all.
function bucket(digits) {
  return digits >= 14 ? 4 : digits >= 10 ? 3 : digits >= 6 ? 2 : digits >= 2 ? 1 : 0;
}
