// The page: what is open, which derivation, which step, which node; and every way to change it.

const $ = (selector) => document.querySelector(selector);

class Page {
  constructor(data) {
    this.data = data;
    this.graph = new Graph(data);
    this.open = new Set(data.open);
    this.which = 0;
    this.hue = "role";
    this.chosen = null; // the node that was picked
    this.pointed = null; // the one under the pointer
    this.playing = null;
    this.details = new Details($("#details"), this.graph, {
      sweep: () => this.sweep,
      step: () => this.step,
      go: (id) => this.go(id),
      agreement: (id) => this.agreement(id),
      shown: (id) => this.graph.standing(id, this.open) || id,
    });
    this.view = new View($("#canvas"), this.graph, {
      state: (thing) => this.state(thing),
      label: (thing) => this.label(thing),
      edge: (edge) => this.edge(edge),
      activeArc: (arc) => this.current().some((send) => (send.arc || send.edge) === arc.of),
      selected: () => this.chosen,
      tabbable: (id) => id === (this.view.byId.has(this.chosen) ? this.chosen : this.first()),
      press: (id) => this.press(id),
      hover: (id) => this.hover(id),
      resized: () => this.resized(),
    });
    this.controls();
    this.turn();
    this.arrange();
    this.view.start();
    this.say("");
  }

  // -- what is shown -----------------------------------------------------------------------------------------------

  // To the right, or down: on a narrow screen down, else whichever shows more of it at once.
  turn() {
    const sizes = [false, true].map((down) => {
      this.view.show(this.open, down);
      return this.view.scale();
    });
    this.narrow = innerWidth < 700;
    this.down = this.narrow || sizes[1] > 1.25 * sizes[0];
  }

  arrange() {
    this.sweeping();
    this.view.show(this.open, this.down);
    this.view.bows(this.arcs());
  }

  sweeping() {
    const sweep = this.data.sweeps[this.which];
    this.sweep = sweep ? new Sweep(this.graph, sweep, this.open) : null;
    const length = this.sweep ? this.sweep.length : 0;
    this.step = this.step === undefined || this.atEnd ? length : Math.min(this.step, length);
    this.atEnd = this.step === length;
    const slider = $("#step");
    slider.max = length;
    slider.value = this.step;
    $("#scale-title").textContent = sweep?.reference ? `digits of ${sweep.title} that agree with ${sweep.reference}` : "";
  }

  // The closed forms of this sweep that are on the picture: over several nodes, or over the inside of an opened op.
  arcs() {
    if (!this.sweep) return [];
    const { sweep } = this.sweep;
    const found = sweep.arcs.map((arc) => ({ ...arc, of: arc }));
    for (const cluster of this.graph.clusters.values()) {
      if (!cluster.box || !this.open.has(cluster.id) || this.sweep.walks(cluster.id)) continue;
      const told = sweep.ops[cluster.id];
      if (!told) continue;
      const result = this.data.edges.find((edge) => this.graph.nodes.get(edge.target)?.cluster === cluster.box.cluster && this.inside(edge.source, cluster.id));
      for (const edge of cluster.edges) {
        if (sweep.cotangents[edgeKey(edge)] === undefined || !result) continue;
        found.push({ source: result.target, target: edge.source, op: cluster.name, derivation: told[0], formula: told[1], of: edge });
      }
    }
    return found.map((arc) => ({ ...arc, source: this.graph.standing(arc.source, this.open), target: this.graph.standing(arc.target, this.open) }));
  }

  inside(id, frame) {
    return this.graph.around(id).includes(frame);
  }

  current() {
    return this.sweep && !this.atEnd ? this.sweep.steps[this.step].sends : [];
  }

  state(thing) {
    const classes = ["node", thing.kind === "value" ? thing.role : thing.kind];
    let gradient = "";
    if (thing.kind === "value" && this.sweep) {
      const now = this.sweep.at(thing.id, this.step);
      const due = this.sweep.into.has(thing.id) || thing.id === this.sweep.result;
      if (now) gradient = `∂ ${this.view.gradient(now.total)}${now.whole ? "" : " …"}`;
      else if (thing.role !== "constant" && due) gradient = "∂ ?";
      if (now && !this.atEnd && this.current().some((send) => send.to === thing.id)) classes.push("active");
      if (!now && !this.atEnd && thing.role !== "constant") classes.push("waits");
    }
    if (thing.kind !== "value" && this.sweep && !this.atEnd) {
      const op = this.sweep.steps[this.step].op;
      if (op && (op === thing.id || this.graph.standing(op, this.open) === thing.id)) classes.push("active");
    }
    if (thing.kind === "value" && this.step === 0 && !this.atEnd && thing.id === this.sweep?.result) classes.push("active");
    if (this.hue === "agreement") {
      const found = thing.kind === "value" ? this.agreement(thing.id) : null;
      classes.push(found ? `d${bucket(found.row.digits)}` : "unknown");
      if (found) gradient = found.row.relative === 0 ? "∂ equal" : `∂ ${Math.floor(found.row.digits)} digits`;
    }
    if (thing.id === this.chosen) classes.push("selected");
    if (this.hits?.has(thing.id)) classes.push("hit");
    return { classes: classes.join(" "), gradient };
  }

  edge(edge) {
    const active = this.current().filter((send) => send.edge && edge.of.includes(send.edge));
    const beside = this.chosen !== null && (edge.source === this.chosen || edge.target === this.chosen);
    const constant = edge.of.every((one) => this.graph.nodes.get(one.source)?.role === "constant");
    const classes = `edge${constant ? " quiet" : ""}${active.length ? " active" : ""}${beside ? " beside" : ""}`;
    return { classes, text: active.length ? active.map((send) => clip(brief(this.graph.summary(send.cotangent)), 24)).join(" + ") : "" };
  }

  agreement(id) {
    const sweep = this.data.sweeps[this.which];
    const row = sweep?.agreement?.[id];
    return row ? { row, a: sweep.title, b: sweep.reference } : null;
  }

  label(thing) {
    if (thing.kind === "value") {
      const name = `${called(thing)}, ${{ leaf: "leaf", inner: "value", constant: "constant" }[thing.role]}`;
      const now = this.sweep?.at(thing.id, this.step);
      return `${name}, ${brief(this.graph.summary(thing.data))}${now ? `, gradient ${brief(now.total)}${now.whole ? "" : " so far"}` : ""}`;
    }
    const opens = this.graph.clusters.has(thing.id) ? ", closed; press Enter to open it" : "";
    if (thing.kind === "op") {
      const told = this.sweep?.sweep.ops[thing.id];
      return `operation ${thing.op}${told ? `, derivation ${told[0]}` : ""}${opens}`;
    }
    return `${thing.kind === "module" ? "module" : "part"} ${oneLine(thing.name)}${opens}`;
  }

  say(words) {
    $("#said").textContent = words;
  }

  first() {
    return this.view.items.find((item) => !item.isFrame)?.id;
  }

  // -- changes --------------------------------------------------------------------------------------------------------

  hover(id) {
    if (id === this.pointed) return;
    this.pointed = id;
    const shown = id ?? this.chosen;
    this.details.show(shown);
  }

  pick(id) {
    this.chosen = id;
    document.body.classList.toggle("picked", id !== null);
    this.details.show(id);
    this.view.redress();
  }

  press(id) {
    if (id === null) {
      this.pick(null);
      return;
    }
    this.pick(id);
    if (this.graph.clusters.has(id)) this.toggle(id);
    else this.view.drawn.get(id)?.focus({ preventScroll: true });
  }

  // Open or close a frame; what was pressed stays where it is.
  toggle(id) {
    const before = this.view.byId.get(id);
    const at = before && [before.x * this.view.k + this.view.x, before.y * this.view.k + this.view.y];
    const opening = !this.open.has(id);
    if (opening) this.open.add(id);
    else {
      this.open.delete(id);
      for (const inner of this.graph.clusters.keys()) if (this.graph.clusters.get(inner).box && this.inside(inner, id)) this.open.delete(inner);
    }
    this.arrange();
    const after = this.view.byId.get(id);
    if (at && after) {
      this.view.x = at[0] - after.x * this.view.k;
      this.view.y = at[1] - after.y * this.view.k;
    }
    this.view.refresh();
    if (opening) this.keepInView(id);
    else this.view.shift(id);
    this.pick(id);
    this.told();
    this.say(`${called(this.graph.thing(id))} ${opening ? "opened" : "closed"}`);
    this.view.drawn.get(id)?.focus({ preventScroll: true });
  }

  // What was opened is shown whole where it can still be read.
  keepInView(id) {
    const item = this.view.byId.get(id);
    const { width, height } = $("#canvas").getBoundingClientRect();
    const scale = Math.min((width - 28) / item.w, (height - 28) / item.h);
    if (scale < this.view.k) this.view.zoom(Math.max(scale, Math.min(0.5, this.view.k)) / this.view.k);
    this.view.shift(id);
  }

  // To a node, wherever it is: frames around it are opened.
  go(id) {
    const frames = this.graph.around(id);
    if (frames.some((frame) => !this.open.has(frame))) {
      frames.forEach((frame) => this.open.add(frame));
      this.arrange();
    }
    this.chosen = id;
    this.view.reveal(id);
    this.pick(id);
    this.view.drawn.get(id)?.focus({ preventScroll: true });
  }

  derivation(which) {
    this.which = which;
    for (const [k, input] of document.querySelectorAll("#derivations input").entries()) input.checked = k === which;
    this.arrange();
    this.view.refresh();
    this.details.show(this.pointed ?? this.chosen);
    this.told();
    this.say(`derivation ${this.data.sweeps[which].title}`);
  }

  to(step, quietly = false) {
    if (!this.sweep) return;
    this.step = Math.max(0, Math.min(step, this.sweep.length));
    this.atEnd = this.step === this.sweep.length;
    $("#step").value = this.step;
    this.view.redress();
    this.details.show(this.pointed ?? this.chosen);
    this.told();
    if (!quietly) this.say($("#told").textContent);
  }

  // What this step does, in a sentence.
  told() {
    if (!this.sweep) return;
    const { steps } = this.sweep;
    const count = `${this.step} of ${this.sweep.length}`;
    let words;
    if (this.atEnd) words = "the sweep is done: every gradient is there";
    else if (this.step === 0) words = `it starts with ${brief(this.graph.summary(this.data.seed))} at the result`;
    else {
      const { thing, sends } = steps[this.step];
      const parts = sends.slice(0, 3).map((send) => {
        const now = this.sweep.at(send.to, this.step);
        const sum = now && now.parts.length > 1 ? `, which makes ${brief(now.total)}` : "";
        return `${brief(this.graph.summary(send.cotangent))} to ${clip(called(this.graph.thing(send.to)), 24)}${sum}`;
      });
      words = `${called(thing)} sends ${parts.join("; ")}${sends.length > 3 ? "; …" : ""}`;
    }
    $("#told").textContent = `Step ${count}: ${words}`;
    $("#step").setAttribute("aria-valuetext", $("#told").textContent);
  }

  play() {
    if (this.playing) {
      this.pause();
      return;
    }
    if (!this.sweep || !this.sweep.length) return;
    if (this.atEnd) this.to(0, true);
    const pace = Math.max(60, Math.min(900, 12000 / this.sweep.length));
    this.playing = setInterval(() => {
      this.to(this.step + 1, true);
      if (this.atEnd) this.pause();
    }, pace);
    $("#play").textContent = "❚❚";
    $("#play").setAttribute("aria-label", "Pause");
  }

  pause() {
    clearInterval(this.playing);
    this.playing = null;
    $("#play").textContent = "▶";
    $("#play").setAttribute("aria-label", "Play the sweep");
  }

  search(text) {
    const wanted = text.trim().toLowerCase();
    const list = $("#found");
    this.hits = new Set();
    list.replaceChildren();
    const things = [...this.graph.nodes.values(), ...[...this.graph.clusters.values()].map((c) => this.graph.thing(c.id))];
    const found = wanted ? things.filter((thing) => this.words(thing).includes(wanted)) : [];
    found.sort((a, b) => a.order - b.order);
    for (const thing of found) this.hits.add(this.graph.standing(thing.id, this.open) || thing.id);
    for (const thing of found.slice(0, 50)) {
      const button = element("button", { type: "button" }, clip(called(thing), 40), element("span", { class: "kind" }, thing.kind === "value" ? thing.role : thing.kind));
      button.addEventListener("click", () => {
        this.go(thing.id);
        list.hidden = true;
      });
      list.append(element("li", {}, button));
    }
    if (wanted) list.append(element("li", { class: "count" }, found.length > 50 ? `${found.length} found, 50 listed` : `${found.length} found`));
    list.hidden = !wanted;
    this.say(wanted ? `${found.length} found` : "");
    this.view.redress();
  }

  words(thing) {
    return [thing.id, thing.label, thing.op, thing.name, thing.place, thing.kind === "value" ? thing.role : ""].filter(Boolean).join(" ").toLowerCase();
  }

  resized() {
    if (this.narrow !== innerWidth < 700) {
      this.turn();
      this.arrange();
      this.view.start();
    } else {
      this.view.refresh();
      if (this.chosen !== null && !this.view.byId.get(this.chosen)?.isFrame) this.view.shift(this.chosen);
    }
  }

  // Along the edges, and to the neighbour in the same layer.
  move(key) {
    const from = this.chosen !== null && this.view.byId.has(this.chosen) ? this.chosen : null;
    if (from === null) {
      this.go(this.first());
      return;
    }
    const here = this.view.byId.get(from);
    const along = this.view.down ? { ArrowUp: -1, ArrowDown: 1 } : { ArrowLeft: -1, ArrowRight: 1 };
    const centre = (item) => [item.x + item.w / 2, item.y + item.h / 2];
    const [x, y] = centre(here);
    let candidates;
    if (key in along && !here.isFrame) {
      const ids = this.view.edges.filter((edge) => (along[key] > 0 ? edge.source : edge.target) === from).map((edge) => (along[key] > 0 ? edge.target : edge.source));
      candidates = ids.map((id) => this.view.byId.get(id));
    } else {
      const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const [dx, dy] = ways[key];
      candidates = this.view.items.filter((item) => {
        if (item.isFrame || item === here) return false;
        const [cx, cy] = centre(item);
        const ahead = (cx - x) * dx + (cy - y) * dy;
        const aside = Math.abs((cx - x) * dy) + Math.abs((cy - y) * dx);
        return ahead > 4 && aside <= Math.max(ahead * 1.5, 40);
      });
    }
    const distance = (item) => Math.hypot(centre(item)[0] - x, centre(item)[1] - y);
    candidates.sort((a, b) => distance(a) - distance(b));
    if (candidates.length) this.go(candidates[0].id);
  }

  // -- controls --------------------------------------------------------------------------------------------------------

  controls() {
    const { sweeps } = this.data;
    const choices = $("#derivations");
    sweeps.forEach((sweep, k) => {
      const input = element("input", { type: "radio", name: "derivation", value: sweep.name });
      input.checked = k === 0;
      input.addEventListener("change", () => this.derivation(k));
      const label = element("label", sweep.note ? { title: sweep.note } : {}, input, element("span", {}, sweep.title));
      choices.append(label);
    });
    $("#sweep").hidden = !sweeps.length;
    $("#choices").hidden = sweeps.length < 2;
    $("#hue").addEventListener("change", (event) => {
      this.hue = event.target.checked ? "agreement" : "role";
      document.body.classList.toggle("agreement", event.target.checked);
      this.view.redress();
    });
    $("#step").addEventListener("input", (event) => {
      this.pause();
      this.to(Number(event.target.value), true);
    });
    $("#back").addEventListener("click", () => this.nudge(-1));
    $("#on").addEventListener("click", () => this.nudge(1));
    $("#play").addEventListener("click", () => this.play());
    $("#fit").addEventListener("click", () => this.view.fit());
    $("#closer").addEventListener("click", () => this.view.zoom(1.3));
    $("#farther").addEventListener("click", () => this.view.zoom(1 / 1.3));
    $("#theme").addEventListener("click", () => {
      const dark = getComputedStyle(document.documentElement).colorScheme === "dark" || (getComputedStyle(document.documentElement).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
      document.documentElement.style.colorScheme = dark ? "light" : "dark";
    });
    const search = $("#search");
    search.addEventListener("input", () => this.search(search.value));
    search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") $("#found button")?.click();
      if (event.key === "ArrowDown") $("#found button")?.focus();
      if (event.key === "Escape") {
        search.value = "";
        this.search("");
        search.blur();
      }
    });
    $("#close").addEventListener("click", () => this.pick(null));
    document.addEventListener("keydown", (event) => this.key(event));
    $("#canvas").addEventListener("focusin", (event) => {
      const id = event.target.dataset?.id;
      if (id && id !== this.chosen && event.target.matches(":focus-visible")) this.pick(id);
    });
    this.details.show(null);
  }

  nudge(by) {
    this.pause();
    this.to(this.step + by);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input[type=search], input[type=range], input[type=radio]");
    if (event.key === "Escape") {
      this.pick(null);
      return;
    }
    if (typing) return;
    const inPicture = event.target.closest("#canvas") || event.target === document.body;
    const id = event.target.dataset?.id;
    if (inPicture && event.key.startsWith("Arrow")) this.move(event.key);
    else if (inPicture && id && (event.key === "Enter" || event.key === " ")) this.press(id);
    else {
      const keys = {
        "/": () => $("#search").focus(),
        f: () => this.view.fit(),
        "+": () => this.view.zoom(1.3),
        "=": () => this.view.zoom(1.3),
        "-": () => this.view.zoom(1 / 1.3),
        p: () => this.play(),
        ",": () => this.nudge(-1),
        ".": () => this.nudge(1),
        d: () => this.data.sweeps.length && this.derivation((this.which + 1) % this.data.sweeps.length),
        c: () => $("#hue").click(),
      };
      if (!keys[event.key]) return;
      keys[event.key]();
    }
    event.preventDefault();
  }
}

const page = new Page(JSON.parse(document.getElementById("graph").textContent));
page.told();
