// The reverse sweep, step by step: who sends what to whom, and what has come together where.

class Sweep {
  // `sweep`: one derivation's numbers; `open`: the ops that are opened. Only those that the sweep itself walks
  // through send from inside; a closed form sends from the whole op at once.
  constructor(graph, sweep, open) {
    this.graph = graph;
    this.sweep = sweep;
    this.steps = [];
    this.into = new Map(); // value id → contributions, in the order in which they come
    const result = graph.data.nodes.find((node) => node.result);
    this.result = result && result.id;
    this.steps.push({ op: null, sends: [], seed: this.result });
    for (const op of this.senders(open)) {
      const sends = this.sent(op);
      if (sends.length) this.steps.push({ op: op.id, thing: op, sends });
    }
    this.steps.forEach((step, k) => {
      for (const send of step.sends) {
        if (!this.into.has(send.to)) this.into.set(send.to, []);
        this.into.get(send.to).push({ ...send, step: k });
      }
    });
  }

  get length() {
    return this.steps.length - 1;
  }

  // Whether the sweep walks through what is inside this op.
  walks(id) {
    const told = this.sweep.ops[id];
    return Boolean(told) && told[0] === "autodiff" && this.sweep.inside;
  }

  senders(open) {
    const found = [];
    const boxed = (id) => this.graph.around(id).some((f) => this.graph.clusters.get(f).box && !(open.has(f) && this.walks(f)));
    for (const node of this.graph.nodes.values()) if (node.kind === "op" && !boxed(node.id)) found.push(node);
    for (const cluster of this.graph.clusters.values()) {
      if (cluster.box && !(open.has(cluster.id) && this.walks(cluster.id)) && !boxed(cluster.id)) found.push(cluster.box);
    }
    return found.sort((a, b) => b.order - a.order);
  }

  sent(op) {
    const cluster = this.graph.clusters.get(op.id);
    const edges = cluster ? cluster.edges : this.graph.data.edges.filter((edge) => edge.target === op.id);
    const sends = [];
    for (const edge of edges) {
      const cotangent = this.sweep.cotangents[edgeKey(edge)];
      if (cotangent !== undefined) sends.push({ from: op.id, to: edge.source, name: edge.name, cotangent, edge });
    }
    for (const arc of this.sweep.arcs) {
      if (arc.by === op.id) sends.push({ from: op.id, to: arc.target, name: arc.op, cotangent: arc.cotangent, arc });
    }
    return sends;
  }

  // What a value has got after `step` steps: { parts, total (a summary), whole } or null.
  at(id, step) {
    if (id === this.result) return { parts: [], total: this.graph.summary(this.graph.data.seed), whole: true };
    const all = this.into.get(id);
    if (!all) return null;
    const parts = all.filter((part) => part.step <= step);
    if (!parts.length) return null;
    const whole = parts.length === all.length;
    const adjoint = this.graph.summary(this.sweep.adjoints[id]);
    const total = whole && adjoint ? adjoint : added(parts.map((part) => this.graph.summary(part.cotangent)));
    return { parts, total, whole, of: all.length };
  }

  // The step after which a value has everything.
  done(id) {
    const all = this.into.get(id);
    return all ? all[all.length - 1].step : Infinity;
  }
}

// The sum of summaries, as far as it can be known: entries, means and maps add up; ranges do not.
function added(list) {
  if (list.length === 1) return list[0];
  const first = list[0];
  if (list.every((s) => s && s.values)) {
    return { ...first, values: first.values.map((_, i) => list.reduce((sum, s) => plus(sum, s.values[i]), 0)) };
  }
  if (!list.every((s) => s && s.grid)) return null;
  return {
    shape: first.shape,
    dtype: first.dtype,
    low: null,
    high: null,
    mean: list.reduce((sum, s) => plus(sum, s.mean), 0),
    nans: 0,
    infs: 0,
    norm: null,
    grid: first.grid.map((row, i) => row.map((_, j) => list.reduce((sum, s) => plus(sum, s.grid[i][j]), 0))),
  };
}

function plus(a, b) {
  if (Array.isArray(b)) return Array.isArray(a) ? [a[0] + b[0], a[1] + b[1]] : b;
  return Number(a) + Number(b);
}
