// A layered layout: longest-path layers, barycentre ordering, and positions by isotonic regression, so that nodes stand
// as near below their producers as the order within a layer allows.
function layout(items, edges) {
  const count = items.length;
  const preds = items.map(() => []), succs = items.map(() => []);
  for (const [a, b] of edges) { preds[b].push(a); succs[a].push(b); }
  const layer = new Int32Array(count);
  for (let i = 0; i < count; i++) for (const p of preds[i]) layer[i] = Math.max(layer[i], layer[p] + 1);
  // What depends on no input moves down to its first reader.
  const floats = items.map((item) => !item.port);
  for (let i = 0; i < count; i++) floats[i] = floats[i] && preds[i].every((p) => floats[p]);
  for (let i = count - 1; i >= 0; i--) {
    if ((floats[i] || !preds[i].length) && succs[i].length) layer[i] = Math.min(...succs[i].map((s) => layer[s])) - 1;
  }
  let depth = 0;
  for (let i = 0; i < count; i++) depth = Math.max(depth, layer[i] + 1);

  // Vertices: items, then one chain of bends for each item whose readers are further down than the next layer.
  const level = Array.from(layer), up = preds.map(() => []), down = preds.map(() => []), segments = [];
  const join = (u, v, source, target) => {
    down[u].push(v);
    up[v].push(u);
    segments.push({ u, v, source, target, level: level[u] });
  };
  let bends = 0;
  for (let a = 0; a < count; a++) {
    const chain = [a];
    const readers = [...new Set(succs[a])].sort((x, y) => layer[x] - layer[y]);
    for (const b of readers) {
      const last = layer[b] - 1;
      if (last - layer[a] > 400 || bends > 80000) {
        segments.push({ u: a, v: b, source: a, target: b, level: layer[a], far: true });
        continue;
      }
      while (chain.length - 1 < last - layer[a]) {
        const bend = level.length;
        level.push(layer[a] + chain.length);
        up.push([]);
        down.push([]);
        bends++;
        join(chain[chain.length - 1], bend, a, -1);
        chain.push(bend);
      }
      join(chain[last - layer[a]], b, a, b);
    }
  }
  const rows = Array.from({ length: depth }, () => []);
  const seen = new Uint8Array(level.length);
  // Depth first from the top gives an order in which branches stay together.
  const visit = (root) => {
    const stack = [root];
    while (stack.length) {
      const v = stack.pop();
      if (seen[v]) continue;
      seen[v] = 1;
      rows[level[v]].push(v);
      for (let i = down[v].length - 1; i >= 0; i--) if (!seen[down[v][i]]) stack.push(down[v][i]);
    }
  };
  for (let v = 0; v < count; v++) if (!up[v].length) visit(v);
  for (let v = 0; v < level.length; v++) visit(v);

  const position = new Float64Array(level.length);
  const number = (row) => row.forEach((v, i) => { position[v] = i; });
  rows.forEach(number);
  const sweeps = level.length > 20000 ? 4 : 10;
  const key = new Float64Array(level.length);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const isDown = sweep % 2 === 0;
    for (let r = 0; r < depth; r++) {
      const row = rows[isDown ? r : depth - 1 - r];
      if (row.length < 2) continue;
      const near = isDown ? up : down;
      for (const v of row) {
        let sum = 0;
        for (const w of near[v]) sum += position[w];
        key[v] = near[v].length ? sum / near[v].length : position[v];
      }
      row.sort((a, b) => key[a] - key[b] || position[a] - position[b]);
      number(row);
    }
  }

  const width = (v) => (v < count ? items[v].w : 4);
  const x = new Float64Array(level.length);
  const shift = rows.map((row) => {
    const offsets = new Float64Array(row.length);
    for (let i = 1; i < row.length; i++) {
      const gap = row[i] < count && row[i - 1] < count ? 28 : 18;
      offsets[i] = offsets[i - 1] + (width(row[i - 1]) + width(row[i])) / 2 + gap;
    }
    const middle = row.length ? offsets[row.length - 1] / 2 : 0;
    row.forEach((v, i) => { x[v] = offsets[i] - middle; });
    return offsets;
  });
  const place = (r, wanted) => {
    // Least squares with the order and the gaps kept: pool adjacent violators.
    const row = rows[r], offsets = shift[r], blocks = [];
    row.forEach((v, i) => {
      let block = { sum: 0, weight: 0, count: 1 };
      const weight = mass[v];
      block.sum = (wanted[i] - offsets[i]) * weight;
      block.weight = weight;
      while (blocks.length && blocks[blocks.length - 1].sum / blocks[blocks.length - 1].weight > block.sum / block.weight) {
        const last = blocks.pop();
        block = { sum: last.sum + block.sum, weight: last.weight + block.weight, count: last.count + block.count };
      }
      blocks.push(block);
    });
    let i = 0;
    for (const block of blocks) for (let k = 0; k < block.count; k++, i++) x[row[i]] = block.sum / block.weight + offsets[i];
  };
  // The main path stays straight: what comes from inputs, over short edges, draws most.
  const mass = new Float64Array(level.length).fill(0.01);
  for (let v = 0; v < count; v++) mass[v] = floats[v] ? 0.1 : 1;
  const mean = (list, fallback) => {
    let sum = 0, total = 0;
    for (const v of list) {
      sum += x[v] * mass[v];
      total += mass[v];
    }
    return total ? sum / total : fallback;
  };
  for (let sweep = 0; sweep < 8; sweep++) {
    const isDown = sweep % 2 === 0, isLast = sweep >= 6;
    for (let k = 0; k < depth; k++) {
      const r = isDown ? k : depth - 1 - k;
      place(r, rows[r].map((v) => {
        const [first, other] = isDown ? [up[v], down[v]] : [down[v], up[v]];
        if (isLast && first.length && other.length) return (mean(first, x[v]) + mean(other, x[v])) / 2;
        return mean(first.length ? first : other, x[v]);
      }));
    }
  }

  const tops = new Float64Array(depth), heights = new Float64Array(depth);
  let y = 0;
  for (let r = 0; r < depth; r++) {
    for (const v of rows[r]) if (v < count) heights[r] = Math.max(heights[r], items[v].h);
    tops[r] = y;
    y += heights[r] + 30 + Math.min(30, rows[r].length);
  }
  let left = Infinity, right = -Infinity;
  for (let v = 0; v < level.length; v++) {
    left = Math.min(left, x[v] - width(v) / 2);
    right = Math.max(right, x[v] + width(v) / 2);
  }
  const byLayer = Array.from({ length: depth }, () => []), far = [];
  for (const s of segments) {
    const isItem = s.u < count, fromTop = tops[level[s.u]];
    s.x1 = x[s.u];
    s.y1 = isItem ? fromTop + items[s.u].h : fromTop + heights[level[s.u]];
    s.bend = !isItem;
    s.x2 = x[s.v];
    s.y2 = tops[level[s.v]];
    // A bend is crossed by a straight line from the top of its layer.
    s.top = isItem ? s.y1 : fromTop;
    if (s.far) far.push(s);
    else byLayer[level[s.u]].push(s);
  }
  items.forEach((item, i) => {
    item.x = x[i] - item.w / 2;
    item.y = tops[layer[i]];
    item.layer = layer[i];
  });
  return {
    rows: rows.map((row) => row.filter((v) => v < count).sort((a, b) => items[a].x - items[b].x)), tops, heights, byLayer,
    far, preds, succs, bounds: { x: left, y: 0, w: right - left, h: Math.max(0, y - 30) },
  };
}
