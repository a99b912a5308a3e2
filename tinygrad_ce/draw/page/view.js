// The picture: places of items, an SVG of what is in view, panning and zooming.

const SVG = "http://www.w3.org/2000/svg";
const MANY = 260; // items in view; of more, only shapes are drawn, all of a kind in one path

function make(name, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

const ruler = document.createElement("canvas").getContext("2d");
const widths = new Map();

function measure(text, font) {
  const key = font + text;
  if (!widths.has(key)) {
    ruler.font = font;
    widths.set(key, ruler.measureText(text).width);
  }
  return widths.get(key);
}

const FONTS = { head: "600 13px system-ui, sans-serif", body: "12px system-ui, sans-serif", small: "11px system-ui, sans-serif", sign: "600 17px system-ui, sans-serif" };

class View {
  constructor(svg, graph, calls) {
    this.svg = svg;
    this.graph = graph;
    this.calls = calls; // state(thing): {classes, gradient}, label(thing), pick, toggle, hover
    this.world = svg.querySelector("#world");
    this.layers = {};
    for (const name of ["frames", "far", "edges", "arcs", "nodes", "flows"]) {
      this.layers[name] = make("g", { id: name });
      this.world.append(this.layers[name]);
    }
    this.layers.edges.setAttribute("aria-hidden", "true");
    this.layers.arcs.setAttribute("aria-hidden", "true");
    this.layers.far.setAttribute("aria-hidden", "true");
    this.layers.flows.setAttribute("aria-hidden", "true");
    this.x = this.y = 0;
    this.k = 1;
    this.items = [];
    this.edges = [];
    this.drawn = new Map(); // key → element in the document
    this.listen();
  }

  // -- places ---------------------------------------------------------------------------------------------------

  show(open, down) {
    const { items, edges, frames } = this.graph.visible(open);
    const root = { items: [], edges: [] };
    const inside = new Map([["", root]]);
    const owner = new Map();
    for (const frame of frames) {
      const inner = { items: [], edges: [] };
      inside.set(frame.id, inner);
      const title = this.frameTitle(frame);
      const least = measure(title, FONTS.small) + 8;
      const item = { id: frame.id, frame: frame.parent, isFrame: true, cluster: frame, title, inner, pad: { x: 12, top: 26, bottom: 12 }, least, order: frame.order };
      owner.set(frame.id, item);
    }
    for (const item of items) this.size(item);
    const all = [...items, ...owner.values()].sort((a, b) => a.order - b.order);
    const parent = new Map();
    const place = new Map();
    for (const item of all) {
      const around = inside.get(item.frame || "");
      parent.set(item.id, item.frame || "");
      place.set(item.id, around.items.length);
      around.items.push(item);
    }
    // Where edges from (or to) one node outside cross a frame, there is a port in it: an item without a size.
    const ports = new Map();
    const port = (frame, way, outside) => {
      const key = `${frame} ${way} ${outside}`;
      if (!ports.has(key)) {
        const item = { id: key, port: way, w: 1, h: 5 };
        const around = inside.get(frame);
        ports.set(key, { item, place: around.items.length });
        around.items.push(item);
      }
      return ports.get(key);
    };
    const link = (frame, a, b) => {
      const made = { points: [] };
      inside.get(frame).edges.push([a, b, made]);
      return made;
    };
    const chain = (id) => {
      const found = [id];
      for (let p = parent.get(id); p; p = parent.get(p)) found.push(p);
      return found;
    };
    for (const edge of edges) {
      edge.pieces = [];
      // Out of the frames around its source, along the innermost frame around both, into those around its target.
      const a = chain(edge.source);
      const b = chain(edge.target);
      const common = b.find((id) => a.includes(id));
      const leaves = a.slice(0, common === undefined ? a.length : a.indexOf(common));
      const enters = b.slice(0, common === undefined ? b.length : b.indexOf(common));
      if (!leaves.length || !enters.length) continue;
      for (let i = 0; i + 1 < leaves.length; i++) {
        const out = port(leaves[i + 1], "out", edge.target);
        edge.pieces.push(link(leaves[i + 1], place.get(leaves[i]), out.place), out.item);
      }
      edge.pieces.push(link(common || "", place.get(leaves.at(-1)), place.get(enters.at(-1))));
      for (let i = enters.length - 1; i > 0; i--) {
        const into = port(enters[i], "in", edge.source);
        edge.pieces.push(into.item, link(enters[i], into.place, place.get(enters[i - 1])));
      }
    }
    this.down = down;
    nested(root, down);
    unfold(root, 0, 0);
    this.items = all;
    this.byId = new Map(all.map((item) => [item.id, item]));
    this.edges = edges;
    this.arcs = [];
    for (const edge of edges) this.route(edge);
    const end = (pick, size) => Math.max(0, ...all.map((item) => item[pick] + item[size]));
    this.width = end("x", "w");
    this.height = end("y", "h");
    for (const element of this.drawn.values()) element.remove();
    this.drawn.clear();
    this.layers.flows.replaceChildren();
  }

  frameTitle(frame) {
    return `▾ ${clip(oneLine(frame.name), 48)}${frame.count > 1 ? ` × ${frame.count}` : ""}`;
  }

  size(item) {
    const lines = [];
    if (item.kind === "value") {
      const data = this.graph.summary(item.data);
      const name = item.label ? clip(oneLine(item.label), 26) : "";
      if (name || shape(data)) lines.push({ text: name, font: "head", also: shape(data) });
      lines.push({ text: clip(brief(data), 30), font: "body" });
      // Room for the gradient by every derivation, so that nothing moves when it comes.
      const sweeps = item.role === "constant" ? [] : this.graph.data.sweeps;
      const gradients = sweeps.map((sweep) => measure(`∂ ${this.gradient(this.graph.summary(sweep.adjoints[item.id]))}`, FONTS.body));
      if (item.role !== "constant") lines.push({ text: "", font: "body", gradient: Math.max(0, ...gradients) });
      item.least = 52;
    } else if (item.kind === "op") {
      const sign = SYMBOLS[item.op];
      const key = item.op === "getitem" ? Object.values(item.params)[0] : undefined;
      lines.push({ text: key !== undefined ? `[${clip(oneLine(key), 20)}]` : sign || clip(item.op, 28), font: sign ? "sign" : "head", opens: this.graph.clusters.has(item.id) });
      if (key === undefined) for (const [name, value] of Object.entries(item.params).slice(0, 2)) lines.push({ text: clip(oneLine(`${name}=${value}`), 26), font: "small" });
      item.least = 34;
    } else {
      lines.push({ text: clip(oneLine(item.name), 34) + (item.count > 1 ? ` × ${item.count}` : ""), font: "head", opens: this.graph.clusters.has(item.id) });
      lines.push({ text: plural(item.size || item.nodes || 0, "node"), font: "small" });
      item.least = 70;
    }
    item.lines = lines;
    const wide = lines.map((line) => measure(line.text, FONTS[line.font]) + (line.also ? measure(line.also, FONTS.small) + 8 : 0) + (line.opens ? 14 : 0));
    item.w = Math.min(Math.max(item.least, ...wide, ...lines.map((line) => line.gradient || 0)) + 18, 240);
    item.h = lines.length * 16 + (item.kind === "op" ? 12 : 12);
  }

  gradient(summary) {
    return clip(brief(summary), 26);
  }

  ends(edge) {
    const a = this.byId.get(edge.source);
    const b = this.byId.get(edge.target);
    return this.down
      ? [[a.x + a.w / 2, a.y + a.h], [b.x + b.w / 2, b.y]]
      : [[a.x + a.w, a.y + a.h / 2], [b.x, b.y + b.h / 2]];
  }

  route(edge) {
    const [first, last] = this.ends(edge);
    const points = [first, ...edge.pieces.flatMap((piece) => piece.points || [[piece.x + piece.w / 2, piece.y + piece.h / 2]]), last];
    let d = `M${first[0].toFixed(1)} ${first[1].toFixed(1)}`;
    for (let i = 1; i < points.length; i++) {
      const [x0, y0] = points[i - 1];
      const [x1, y1] = points[i];
      const [c0, c1] = this.down ? [[x0, (y0 + y1) / 2], [x1, (y0 + y1) / 2]] : [[(x0 + x1) / 2, y0], [(x0 + x1) / 2, y1]];
      d += `C${[...c0, ...c1, x1, y1].map((z) => z.toFixed(1)).join(" ")}`;
    }
    edge.d = d;
    const xs = points.map((p) => p[0]);
    const ys = points.map((p) => p[1]);
    edge.box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    const [p, q] = [points[0], points[1]];
    edge.middle = [(p[0] + q[0]) / 2, (p[1] + q[1]) / 2]; // near the value, where what flows arrives
  }

  // Closed forms: a bow from a value back to the input that it sends its gradient to.
  bows(arcs) {
    this.arcs = arcs.filter((arc) => this.byId.has(arc.source) && this.byId.has(arc.target)).map((arc) => {
      const a = this.byId.get(arc.source);
      const b = this.byId.get(arc.target);
      // It passes beyond whatever lies between its ends: a cubic reaches three quarters of the way to its control points.
      const [u, v, du, dv] = this.down ? ["y", "x", "h", "w"] : ["x", "y", "w", "h"];
      const [low, high] = [Math.min(a[u], b[u]), Math.max(a[u] + a[du], b[u] + b[du])];
      const between = this.items.filter((item) => !item.isFrame && item[u] < high && item[u] + item[du] > low);
      const start = this.down ? [a.x + a.w, a.y + a.h / 2] : [a.x + a.w / 2, a.y];
      const end = this.down ? [b.x + b.w, b.y + b.h / 2] : [b.x + b.w / 2, b.y];
      let d, middle, room;
      if (this.down) {
        const peak = Math.max(...between.map((item) => item[v] + item[dv])) + 22;
        const bow = peak + (peak - (start[0] + end[0]) / 2) / 3;
        d = `M${start.join(" ")}C${bow} ${start[1]} ${bow} ${end[1]} ${end.join(" ")}`;
        middle = [peak, (start[1] + end[1]) / 2];
        room = peak + 14 + measure(clip(oneLine(arc.formula || arc.derivation), 42), FONTS.head);
      } else {
        const peak = Math.min(...between.map((item) => item[v])) - 22;
        const bow = peak + (peak - (start[1] + end[1]) / 2) / 3;
        d = `M${start.join(" ")}C${start[0]} ${bow} ${end[0]} ${bow} ${end.join(" ")}`;
        middle = [(start[0] + end[0]) / 2, peak];
        room = peak - 24;
      }
      return { ...arc, d, middle, room, key: `arc ${arc.source} ${arc.target} ${arc.op}` };
    });
    for (const [key, element] of this.drawn) {
      if (!key.startsWith("arc ")) continue;
      element.remove();
      this.drawn.delete(key);
    }
  }

  // -- what is in view ---------------------------------------------------------------------------------------------

  window() {
    const { width, height } = this.svg.getBoundingClientRect();
    return [-this.x / this.k, -this.y / this.k, (width - this.x) / this.k, (height - this.y) / this.k];
  }

  refresh() {
    this.world.setAttribute("transform", `translate(${this.x} ${this.y}) scale(${this.k})`);
    const [x0, y0, x1, y1] = this.window();
    const room = 40 / this.k;
    const meets = (a, b, c, d) => a < x1 + room && c > x0 - room && b < y1 + room && d > y0 - room;
    const near = this.items.filter((item) => meets(item.x, item.y, item.x + item.w, item.y + item.h));
    this.far = near.length > MANY;
    this.svg.classList.toggle("far", this.far);
    const wanted = new Set();
    for (const item of near) {
      if (this.far && !item.isFrame && item.id !== this.calls.selected()) continue;
      wanted.add(item.id);
      if (!this.drawn.has(item.id)) this.draw(item);
    }
    if (!this.far) {
      for (const edge of this.edges) {
        if (!meets(...edge.box)) continue;
        const key = `edge ${edge.source}>${edge.target}`;
        wanted.add(key);
        if (!this.drawn.has(key)) this.drawEdge(edge, key);
      }
    }
    for (const arc of this.arcs) {
      wanted.add(arc.key);
      if (!this.drawn.has(arc.key)) this.drawArc(arc);
    }
    for (const [key, element] of this.drawn) {
      if (wanted.has(key) || element.contains(document.activeElement)) continue;
      element.remove();
      this.drawn.delete(key);
    }
    if (this.far && !this.sketched) this.sketch();
    if (!this.far && this.sketched) {
      this.layers.far.replaceChildren();
      this.sketched = false;
    }
    if (!this.far) this.inOrder();
  }

  // The order of focus is that of the graph, whatever came into view first.
  inOrder() {
    let last = -1;
    for (const element of this.layers.nodes.children) {
      if (element.order < last) {
        this.layers.nodes.append(...[...this.layers.nodes.children].sort((a, b) => a.order - b.order));
        return;
      }
      last = element.order;
    }
  }

  // All shapes of a kind in one path each: what thousands of nodes look like from afar.
  sketch() {
    const paths = new Map();
    for (const item of this.items) {
      if (item.isFrame) continue;
      const { classes } = this.calls.state(item);
      const box = `M${item.x.toFixed(1)} ${item.y.toFixed(1)}h${item.w.toFixed(1)}v${item.h.toFixed(1)}h${(-item.w).toFixed(1)}z`;
      paths.set(classes, (paths.get(classes) || "") + box);
    }
    const lines = make("path", { class: "edge", d: this.edges.map((edge) => edge.d).join("") });
    const shapes = [...paths].map(([classes, d]) => {
      const group = make("g", { class: classes });
      group.append(make("path", { class: "shape", d }));
      return group;
    });
    this.layers.far.replaceChildren(lines, ...shapes);
    this.sketched = true;
  }

  draw(item) {
    const element = item.isFrame ? this.frame(item) : this.node(item);
    element.order = item.order;
    this.layers[item.isFrame ? "frames" : "nodes"].append(element);
    this.drawn.set(item.id, element);
    this.dress(item, element);
  }

  frame(item) {
    const group = make("g", { class: `frame ${item.cluster.what}`, "data-id": item.id, role: "button", tabindex: "0", "aria-expanded": "true" });
    group.setAttribute("aria-label", `${item.cluster.what === "op" ? "operation" : "module"} ${oneLine(item.cluster.name)}, open; press Enter to close it`);
    group.append(make("rect", { x: item.x, y: item.y, width: item.w, height: item.h, rx: 8 }));
    group.append(make("text", { x: item.x + 10, y: item.y + 17 }, item.title));
    return group;
  }

  node(item) {
    const group = make("g", { "data-id": item.id, role: "button", tabindex: "-1" });
    if (this.graph.clusters.has(item.id)) group.setAttribute("aria-expanded", "false");
    const round = item.kind === "op" ? Math.min(item.h / 2, 16) : 7;
    group.append(make("rect", { class: "shape", x: item.x, y: item.y, width: item.w, height: item.h, rx: round }));
    if (item.result) group.append(make("rect", { class: "rim", x: item.x - 3, y: item.y - 3, width: item.w + 6, height: item.h + 6, rx: round + 3 }));
    const centre = item.x + item.w / 2;
    const top = item.y + (item.h - item.lines.length * 16) / 2 + 12;
    item.lines.forEach((line, k) => {
      const text = make("text", { class: line.gradient !== undefined ? "gradient" : line.font, x: centre, y: top + k * 16 + (line.font === "sign" ? 2 : 0) }, line.opens ? `▸ ${line.text}` : line.text);
      if (line.also) {
        const extra = make("tspan", { class: "small", dx: line.text ? 6 : 0 }, line.also);
        text.append(extra);
      }
      group.append(text);
    });
    return group;
  }

  drawEdge(edge, key) {
    const path = make("path", { class: "edge", d: edge.d });
    const group = make("g", {});
    group.append(path);
    edge.element = group;
    this.layers.edges.append(group);
    this.drawn.set(key, group);
    this.dressEdge(edge, group);
  }

  drawArc(arc) {
    const group = make("g", { class: "arc" });
    group.append(make("path", { d: arc.d }));
    const [x, y] = this.down ? [arc.middle[0] + 7, arc.middle[1] + 4] : [arc.middle[0], arc.middle[1] - 5];
    group.append(make("text", { x, y, class: this.down ? "beside" : "above" }, clip(oneLine(arc.formula || arc.derivation), 42)));
    this.layers.arcs.append(group);
    this.drawn.set(arc.key, group);
    group.classList.toggle("active", this.calls.activeArc(arc));
  }

  // What changes from step to step.
  dress(item, element) {
    if (item.isFrame) {
      element.classList.toggle("selected", this.calls.selected() === item.id);
      return;
    }
    const { classes, gradient } = this.calls.state(item);
    element.setAttribute("class", classes);
    element.setAttribute("aria-label", this.calls.label(item));
    element.setAttribute("tabindex", this.calls.tabbable(item.id) ? "0" : "-1");
    const text = element.querySelector("text.gradient");
    if (text && text.textContent !== gradient) text.textContent = gradient;
  }

  dressEdge(edge, group) {
    const { classes, text } = this.calls.edge(edge);
    group.firstChild.setAttribute("class", classes);
    if (!text) return;
    const wide = measure(text, FONTS.small) + 14;
    const flow = make("g", { class: "flow" });
    flow.append(make("rect", { x: edge.middle[0] - wide / 2, y: edge.middle[1] - 9, width: wide, height: 18, rx: 9 }));
    flow.append(make("text", { x: edge.middle[0], y: edge.middle[1] + 4 }, text));
    this.layers.flows.append(flow);
  }

  redress() {
    this.layers.flows.replaceChildren();
    for (const item of this.items) {
      const element = this.drawn.get(item.id);
      if (element) this.dress(item, element);
    }
    for (const edge of this.edges) {
      const element = this.drawn.get(`edge ${edge.source}>${edge.target}`);
      if (element) this.dressEdge(edge, element);
    }
    for (const arc of this.arcs) this.drawn.get(arc.key)?.classList.toggle("active", this.calls.activeArc(arc));
    if (this.sketched) this.sketch();
  }

  // -- moving -------------------------------------------------------------------------------------------------------

  // How much room closed forms take beyond the graph: to the right, and above.
  get room() {
    const bows = this.arcs.map((arc) => arc.room);
    return this.down ? [Math.max(0, ...bows.map((r) => r - this.width)), 0] : [0, Math.max(0, ...bows.map((r) => -r))];
  }

  // The scale at which all of it is in view.
  scale() {
    const { width, height } = this.svg.getBoundingClientRect();
    const [beside, above] = this.room;
    return Math.max(Math.min((width - 32) / (this.width + beside || 1), (height - 32) / (this.height + above || 1), 1.6), 0.004);
  }

  fit() {
    const { width, height } = this.svg.getBoundingClientRect();
    const [beside, above] = this.room;
    this.k = this.scale();
    this.x = (width - (this.width + beside) * this.k) / 2;
    this.y = (height - (this.height - above) * this.k) / 2;
    this.refresh();
  }

  // All of it, or where that could not be read, the end of it.
  start() {
    this.fit();
    if (this.k >= 0.45) return;
    const end = this.items.find((item) => item.result) || this.items.at(-1);
    if (!end) return;
    const { width, height } = this.svg.getBoundingClientRect();
    this.k = 0.8;
    this.x = this.down ? width / 2 - (end.x + end.w / 2) * this.k : width - 30 - (end.x + end.w) * this.k;
    this.y = this.down ? height - 30 - (end.y + end.h) * this.k : height / 2 - (end.y + end.h / 2) * this.k;
    this.refresh();
  }

  // As little to the side as brings an item into view; its beginning, where it is larger than the view.
  shift(id) {
    const item = this.byId.get(id);
    if (!item) return;
    const { width, height } = this.svg.getBoundingClientRect();
    const by = (at, size, room) => (at < 14 || size > room - 28 ? 14 - at : Math.min(0, room - 14 - size - at));
    const dx = by(item.x * this.k + this.x, item.w * this.k, width);
    const dy = by(item.y * this.k + this.y, item.h * this.k, height);
    this.pan(item.w * this.k > width - 28 ? width / 2 - (item.x + item.w / 2) * this.k - this.x : dx, dy);
  }

  zoom(factor, at) {
    const { width, height } = this.svg.getBoundingClientRect();
    const [px, py] = at || [width / 2, height / 2];
    const k = Math.min(Math.max(this.k * factor, 0.004), 4);
    this.x = px - ((px - this.x) * k) / this.k;
    this.y = py - ((py - this.y) * k) / this.k;
    this.k = k;
    this.refresh();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.refresh();
  }

  // Bring an item into view, at a size at which it can be read.
  reveal(id) {
    const item = this.byId.get(id);
    if (!item) return;
    const { width, height } = this.svg.getBoundingClientRect();
    if (this.k < 0.45) this.k = 0.8;
    const [left, top] = [item.x * this.k + this.x, item.y * this.k + this.y];
    const [right, bottom] = [left + item.w * this.k, top + item.h * this.k];
    if (left < 12 || right > width - 12 || top < 12 || bottom > height - 12) {
      this.x = width / 2 - (item.x + item.w / 2) * this.k;
      this.y = height / 2 - (item.y + item.h / 2) * this.k;
    }
    this.refresh();
  }

  find(event) {
    const group = event.target.closest?.("[data-id]");
    if (group) return group.dataset.id;
    if (!this.far) return null;
    const box = this.svg.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left - this.x) / this.k, (event.clientY - box.top - this.y) / this.k];
    const hit = this.items.find((item) => !item.isFrame && x >= item.x && x <= item.x + item.w && y >= item.y && y <= item.y + item.h);
    return hit ? hit.id : null;
  }

  listen() {
    const svg = this.svg;
    const held = new Map();
    let moved = 0;
    let pressed = null;
    svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = svg.getBoundingClientRect();
      if (event.ctrlKey || !event.shiftKey) this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), [event.clientX - box.left, event.clientY - box.top]);
      else this.pan(-event.deltaY, 0);
    }, { passive: false });
    svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      held.set(event.pointerId, [event.clientX, event.clientY]);
      if (held.size === 1) {
        moved = 0;
        pressed = this.find(event);
      }
    });
    svg.addEventListener("pointermove", (event) => {
      const before = held.get(event.pointerId);
      if (!before) {
        this.calls.hover(this.find(event));
        return;
      }
      const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
      if (held.size === 2) {
        const [other] = [...held].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
        const span = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
        const box = svg.getBoundingClientRect();
        this.zoom(span([event.clientX, event.clientY]) / span(before), [(event.clientX + other[0]) / 2 - box.left, (event.clientY + other[1]) / 2 - box.top]);
      }
      moved += Math.abs(dx) + Math.abs(dy);
      if (moved > 4 && !svg.hasPointerCapture(event.pointerId)) svg.setPointerCapture(event.pointerId);
      held.set(event.pointerId, [event.clientX, event.clientY]);
      if (moved > 4) this.pan(dx / held.size, dy / held.size);
    });
    const release = (event) => {
      if (held.delete(event.pointerId) && event.type === "pointerup" && moved <= 4 && held.size === 0) {
        if (pressed) this.calls.press(pressed);
        else this.calls.press(null);
      }
    };
    svg.addEventListener("pointerup", release);
    svg.addEventListener("pointercancel", release);
    svg.addEventListener("pointerleave", () => this.calls.hover(null));
    let due = false;
    new ResizeObserver(() => {
      if (due) return;
      due = true;
      requestAnimationFrame(() => {
        due = false;
        this.calls.resized();
      });
    }).observe(svg);
  }
}
