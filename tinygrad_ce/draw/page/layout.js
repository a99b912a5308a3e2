// A layered layout: layered(items, edges) gives places, nested(frame) does frames within frames.
//
// An item has w and h; what comes back is x and y, its upper left corner. Layers run along u (to the right, or down where
// `down`), positions within a layer along v. Long edges are led through the layers they cross.

const GAP = { u: 28, v: 12 };
const LONGEST = 14; // an edge over more layers than this is not led through each of them

function layered(items, edges, down) {
  const size = items.map((item) => (down ? { u: item.h, v: item.w } : { u: item.w, v: item.h }));
  const n = items.length;
  const links = edges.filter(([a, b]) => a !== b);
  const { rank, sources } = ranked(n, links, items);
  const { cells, layers, segments, chains } = inLayers(n, size, links, rank);
  ordered(cells, layers, segments);
  placed(cells, layers, segments);

  // Along u, each layer takes the room of its deepest item.
  const depth = layers.map((layer) => Math.max(...layer.map((c) => cells[c].u), 0));
  const start = [];
  let at = 0;
  depth.forEach((d, r) => {
    if (r) at += d <= 1 || depth[r - 1] <= 1 ? GAP.u / 3 : GAP.u; // ports take little room
    start.push(at);
    at += d;
  });
  let low = Infinity;
  let high = -Infinity;
  for (const cell of cells) {
    low = Math.min(low, cell.at - cell.v / 2);
    high = Math.max(high, cell.at + cell.v / 2);
  }
  if (!cells.length) low = high = 0;
  items.forEach((item, i) => {
    // What has no inputs stands at the end of its layer, where it is taken.
    const u = start[cells[i].rank] + (depth[cells[i].rank] - size[i].u) * (item.port === "in" ? 0 : sources[i] ? 1 : 0.5);
    const v = cells[i].at - size[i].v / 2 - low;
    [item.x, item.y] = down ? [v, u] : [u, v];
  });
  const routes = new Map();
  chains.forEach((chain, k) => {
    const points = chain.map((c) => {
      const u = start[cells[c].rank] + depth[cells[c].rank] / 2;
      return down ? [cells[c].at - low, u] : [u, cells[c].at - low];
    });
    routes.set(links[k], points);
  });
  const long = at;
  const wide = high - low;
  return { w: down ? wide : long, h: down ? long : wide, routes };
}

// Which layer each item is in: one beyond the last of its inputs; what has none stands just before what first takes it.
function ranked(n, links, items) {
  const after = Array.from({ length: n }, () => []);
  const waits = new Array(n).fill(0);
  for (const [a, b] of links) {
    after[a].push(b);
    waits[b] += 1;
  }
  const sources = waits.map((count) => count === 0);
  const rank = new Array(n).fill(0);
  const done = new Array(n).fill(false);
  const ready = [];
  for (let i = 0; i < n; i++) if (sources[i]) ready.push(i);
  let next = 0;
  let left = n;
  for (let k = 0; left > 0; ) {
    let i;
    if (k < ready.length) i = ready[k++];
    else {
      while (done[next]) next++; // a cycle of frames: cut it at the oldest
      i = next;
    }
    if (done[i]) continue;
    done[i] = true;
    left--;
    for (const b of after[i]) {
      if (done[b]) continue;
      rank[b] = Math.max(rank[b], rank[i] + 1);
      if (--waits[b] === 0) ready.push(b);
    }
  }
  for (let i = 0; i < n; i++) {
    if (!sources[i] || !after[i].length || items[i].port) continue;
    rank[i] = Math.max(0, Math.min(...after[i].map((b) => rank[b])) - 1);
  }
  const last = Math.max(0, ...rank);
  items.forEach((item, i) => {
    if (item.port === "out") rank[i] = last; // edges that leave a frame leave it at its end
  });
  return { rank, sources };
}

// Cells: the items, and a thin one wherever an edge crosses a layer.
function inLayers(n, size, links, rank) {
  const cells = size.map((s, i) => ({ ...s, rank: rank[i], at: 0, pull: 1 }));
  const segments = [];
  const chains = [];
  for (const [a, b] of links) {
    const chain = [];
    const [from, to] = rank[a] <= rank[b] ? [a, b] : [b, a];
    const span = rank[to] - rank[from];
    let before = from;
    if (span > 1 && span <= LONGEST) {
      for (let r = rank[from] + 1; r < rank[to]; r++) {
        cells.push({ u: 0, v: 4, rank: r, at: 0, pull: 3 });
        segments.push([before, cells.length - 1, 2]);
        before = cells.length - 1;
        chain.push(before);
      }
    }
    if (span > 0 && span <= LONGEST) segments.push([before, to, chain.length ? 2 : 1]);
    else if (span > LONGEST) segments.push([from, to, 0]);
    chains.push(from === a ? chain : chain.reverse());
  }
  const layers = [];
  cells.forEach((cell, c) => {
    while (layers.length <= cell.rank) layers.push([]);
    layers[cell.rank].push(c);
  });
  return { cells, layers, segments: segments.filter(([, , weight]) => weight > 0), chains };
}

function neighbours(count, segments) {
  const back = Array.from({ length: count }, () => []);
  const forth = Array.from({ length: count }, () => []);
  for (const [a, b, weight] of segments) {
    back[b].push([a, weight]);
    forth[a].push([b, weight]);
  }
  return { back, forth };
}

// Order within the layers: each cell to the mean place of its neighbours, forth and back, and the best of it kept.
function ordered(cells, layers, segments) {
  const { back, forth } = neighbours(cells.length, segments);
  const place = new Array(cells.length).fill(0);
  const number = () => layers.forEach((layer) => layer.forEach((c, k) => (place[c] = k)));
  const sort = (layer, beside) => {
    const mean = new Map();
    layer.forEach((c) => {
      const near = beside[c];
      mean.set(c, near.length ? near.reduce((sum, [d]) => sum + place[d], 0) / near.length : place[c]);
    });
    layer.sort((a, b) => mean.get(a) - mean.get(b) || place[a] - place[b]);
    layer.forEach((c, k) => (place[c] = k));
  };
  number();
  let best = layers.map((layer) => [...layer]);
  let fewest = crossings(layers, forth, place);
  for (let round = 0; round < 8 && fewest > 0; round++) {
    if (round % 2 === 0) for (let r = 1; r < layers.length; r++) sort(layers[r], back);
    else for (let r = layers.length - 2; r >= 0; r--) sort(layers[r], forth);
    const now = crossings(layers, forth, place);
    if (now < fewest) {
      fewest = now;
      best = layers.map((layer) => [...layer]);
    }
  }
  best.forEach((layer, r) => (layers[r] = layer));
}

function crossings(layers, forth, place) {
  let total = 0;
  for (const layer of layers) {
    const ends = [];
    for (const c of layer) for (const d of forth[c].map(([d]) => place[d]).sort((a, b) => a - b)) ends.push(d);
    if (ends.length > 400) continue; // too wide for it to matter to the eye
    for (let i = 1; i < ends.length; i++) for (let j = 0; j < i; j++) if (ends[j] > ends[i]) total++;
  }
  return total;
}

// Positions within the layers: as near to the neighbours as the order and the sizes allow.
function placed(cells, layers, segments) {
  const { back, forth } = neighbours(cells.length, segments);
  for (const layer of layers) {
    let at = 0;
    for (const c of layer) {
      cells[c].at = at + cells[c].v / 2;
      at += cells[c].v + GAP.v;
    }
    for (const c of layer) cells[c].at -= at / 2;
  }
  const pull = (layer, ...sides) => {
    const wish = layer.map((c) => {
      let sum = 0;
      let weights = 0;
      for (const beside of sides) {
        for (const [d, weight] of beside[c]) {
          sum += weight * cells[d].at;
          weights += weight;
        }
      }
      return weights ? sum / weights : cells[c].at;
    });
    settle(layer.map((c) => cells[c]), wish);
  };
  for (let round = 0; round < 4; round++) {
    for (let r = 1; r < layers.length; r++) pull(layers[r], back);
    for (let r = layers.length - 2; r >= 0; r--) pull(layers[r], forth);
  }
  for (const layer of layers) pull(layer, back, forth);
}

// Least squares under "no overlap": once the sizes are taken off it is a monotone regression, solved by pooling.
function settle(row, wish) {
  const offset = [];
  let at = 0;
  row.forEach((cell, k) => {
    if (k) at += (row[k - 1].v + cell.v) / 2 + (row[k - 1].u && cell.u ? GAP.v : GAP.v / 2);
    offset.push(at);
  });
  const pools = [];
  row.forEach((cell, k) => {
    pools.push({ sum: cell.pull * (wish[k] - offset[k]), weight: cell.pull, count: 1 });
    while (pools.length > 1) {
      const last = pools[pools.length - 1];
      const prior = pools[pools.length - 2];
      if (prior.sum / prior.weight <= last.sum / last.weight) break;
      pools.pop();
      prior.sum += last.sum;
      prior.weight += last.weight;
      prior.count += last.count;
    }
  });
  let k = 0;
  for (const pool of pools) {
    for (let i = 0; i < pool.count; i++, k++) row[k].at = pool.sum / pool.weight + offset[k];
  }
}

// Frames within frames: each is laid out on its own, and is one item of what is around it.
// frame: { items, edges: [[a, b, link]] (places in items) }; an item with `inner` is a frame, with a `pad` around it; one
// with `port` is where edges cross the frame. A link gets the points that it is led through.
function nested(frame, down) {
  for (const item of frame.items) {
    if (!item.inner) continue;
    const { w, h } = nested(item.inner, down);
    item.w = Math.max(w, item.least || 0) + 2 * item.pad.x;
    item.h = h + item.pad.top + item.pad.bottom;
  }
  const found = layered(frame.items, frame.edges, down);
  frame.routes = found.routes;
  return found;
}

// From places within frames to places in the world.
function unfold(frame, x, y) {
  for (const item of frame.items) {
    item.x += x;
    item.y += y;
    if (item.inner) unfold(item.inner, item.x + item.pad.x, item.y + item.pad.top);
  }
  for (const [link, points] of frame.routes) link[2].points = points.map(([px, py]) => [px + x, py + y]);
}
