// What is to be seen: the nodes, boxes and edges that are there while some frames are open and others are closed.

class Graph {
  constructor(data) {
    this.data = data;
    this.nodes = new Map();
    this.clusters = new Map();
    data.nodes.forEach((node, order) => this.nodes.set(node.id, { ...node, order }));
    data.clusters.forEach((cluster) => this.clusters.set(cluster.id, { ...cluster, order: -1, size: 0 }));
    for (const node of this.nodes.values()) {
      for (let c = this.clusters.get(node.cluster); c; c = this.clusters.get(c.parent)) {
        c.order = Math.max(c.order, node.order);
        c.size += 1;
      }
    }
    for (const cluster of this.clusters.values()) {
      if (cluster.box) cluster.box = { ...cluster.box, order: cluster.order };
    }
    for (const edge of data.edges) {
      const value = this.nodes.get(edge.target);
      if (value.kind !== "value") continue;
      // The op that made it: of an opened one, what the whole is called, and not its last part.
      const frame = this.around(edge.source).find((id) => this.clusters.get(id).box && !this.around(value.id).includes(id));
      const maker = this.thing(frame || edge.source);
      value.made = maker.kind === "op" ? maker.op : maker.name;
    }
  }

  summary(index) {
    return index === null || index === undefined ? null : this.data.summaries[index];
  }

  thing(id) {
    const cluster = this.clusters.get(id);
    if (cluster) return cluster.box || { kind: "module", id, name: cluster.name, count: cluster.count, size: cluster.size, order: cluster.order, cluster: cluster.parent };
    return this.nodes.get(id);
  }

  // The frames around a node, the outermost first.
  around(id) {
    const found = [];
    const start = this.clusters.has(id) ? this.clusters.get(id).parent : this.nodes.get(id)?.cluster;
    for (let c = this.clusters.get(start); c; c = this.clusters.get(c.parent)) found.unshift(c.id);
    return found;
  }

  // What stands for a node: itself, or the outermost closed frame around it.
  standing(id, open) {
    for (const frame of this.around(id)) if (!open.has(frame)) return frame;
    return this.clusters.has(id) && open.has(id) ? null : id;
  }

  // Items and edges with these frames open. An edge: {source, target, of: [the edges it stands for]}.
  visible(open) {
    const items = [];
    const shown = new Set();
    const show = (thing, frame) => {
      if (shown.has(thing.id)) return;
      shown.add(thing.id);
      items.push({ ...thing, frame });
    };
    for (const node of this.nodes.values()) {
      const id = this.standing(node.id, open);
      const thing = this.thing(id);
      show(thing, this.around(id).pop() || "");
    }
    const edges = new Map();
    const join = (edge, source, target) => {
      if (source === target || !shown.has(source) || !shown.has(target)) return;
      const key = `${source}>${target}`;
      if (!edges.has(key)) edges.set(key, { source, target, of: [] });
      edges.get(key).of.push(edge);
    };
    for (const edge of this.data.edges) {
      const target = this.standing(edge.target, open);
      // A closed op has edges of its own for what goes into it.
      if (target !== edge.target && this.clusters.get(target)?.box) continue;
      join(edge, this.standing(edge.source, open), target);
    }
    for (const cluster of this.clusters.values()) {
      const stands = this.standing(cluster.id, open);
      if (!cluster.box || stands === null) continue;
      if (stands !== cluster.id && this.clusters.get(stands)?.box) continue;
      for (const edge of cluster.edges) join(edge, this.standing(edge.source, open), stands);
    }
    items.sort((a, b) => a.order - b.order);
    const frames = [...this.clusters.values()].filter((c) => open.has(c.id) && this.around(c.id).every((f) => open.has(f)));
    return { items, edges: [...edges.values()], frames };
  }
}

const edgeKey = (edge) => `${edge.source}>${edge.target}#${edge.name}`;
