// The picture of one graph: pan, zoom, selection. It draws what is in view only, and less of it the smaller it gets.
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let palette = {};
function readPalette() {
  palette = { kinds: {}, targets: [1, 2, 3, 4, 5].map((i) => css(`--target-${i}`)) };
  for (const kind of [...data.kinds, "port"]) palette.kinds[kind] = css(`--k-${kind}`);
  for (const name of ["surface", "page", "text", "muted", "line", "edge", "accent", "added", "removed", "changed", "rewired", "placed", "heat"])
    palette[name] = css(`--${name}`);
}
const FONT = 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
const MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';
const MAX_WIDTH = 310;

function printable(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "�");
}

class GraphView {
  constructor(canvas, map, tip, events) {
    Object.assign(this, { canvas, map, tip, events, scale: 1, dx: 0, dy: 0, scene: null, selected: null, hover: null });
    this.context = canvas.getContext("2d");
    this.measure = memo((key) => {
      const at = key.indexOf("|");
      this.context.font = key.slice(0, at);
      return this.context.measureText(key.slice(at + 1)).width;
    });
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
  }

  clip(text, font, limit) {
    if (this.measure(font + "|" + text) <= limit) return text;
    let low = 0, high = text.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.measure(font + "|" + text.slice(0, middle) + "…") <= limit) low = middle;
      else high = middle - 1;
    }
    return text.slice(0, low) + "…";
  }

  // Lays a graph out. `status` tells what became of each node; constants stay out of the picture unless wanted.
  scene_of(g, status, { constants, only }) {
    const items = [], owner = new Map();
    const add = (item) => {
      const fonts = ["600 13px " + FONT, "11.5px " + FONT, "11px " + MONO];
      item.lines = item.lines.map((text, i) => text && this.clip(printable(text), fonts[i], MAX_WIDTH - 28)).slice(0, 3);
      const widths = item.lines.map((text, i) => (text ? this.measure(fonts[i] + "|" + text) : 0));
      if (item.badge) widths[0] += this.measure("600 10.5px " + FONT + "|" + item.badge) + 20;
      item.w = Math.max(72, Math.ceil(Math.max(...widths)) + 28);
      item.h = 14 + item.lines.filter(Boolean).length * 17;
      items.push(item);
      return items.length - 1;
    };
    for (const input of g.inputs) {
      if (only && !only.has("i" + input.value)) continue;
      owner.set(input.value, add({ id: "i" + input.value, port: true, kind: "port", lines: [input.name || "input", "", typeText(input.type)] }));
    }
    const edges = [];
    for (const node of g.nodes) {
      if (node.constant !== null && !constants && !(status.get(node.uid) && only)) continue;
      if (only && !only.has(node.uid)) continue;
      const type = node.results.length ? typeText(node.results[0].type) + (node.results.length > 1 ? `  +${node.results.length - 1}` : "") : "";
      const middle = node.constant !== null ? node.results[0]?.name || node.constant : nodeLabel(node) + (node.sources.length > 1 ? `  +${node.sources.length - 1}` : "") + (node.graphs.length ? `  (${node.graphs.length === 1 ? "1 graph" : node.graphs.length + " graphs"} inside)` : "");
      const index = add({
        id: node.uid, node, kind: node.kind, status: status.get(node.uid), badge: node.target, lines: [node.title, middle, type], inner: node.graphs.length > 0,
      });
      for (const result of node.results) owner.set(result.value, index);
      for (const value of new Set(node.operands)) if (owner.has(value)) edges.push([owner.get(value), index]);
    }
    g.outputs.forEach((output, i) => {
      if (!owner.has(output.value) || (only && !only.has("o" + i))) return;
      const index = add({ id: "o" + i, port: true, kind: "port", lines: [output.name || "output", "", typeText(g.values.get(output.value)?.type ?? "")] });
      edges.push([owner.get(output.value), index]);
    });
    const scene = { graph: g, items, ...layout(items, edges), byId: new Map(items.map((item, i) => [item.id, i])) };
    scene.heat = Math.max(1, ...items.map((item) => (item.node ? work(item.node.flops) || 0 : 0)));
    return scene;
  }

  setScene(scene, keep) {
    const anchor = keep && this.scene && this.anchor();
    this.scene = scene;
    this.hover = null;
    if (anchor) {
      const index = scene.byId.get(anchor.id);
      if (index !== undefined) {
        const item = scene.items[index];
        this.dx = anchor.x - item.x * this.scale;
        this.dy = anchor.y - item.y * this.scale;
      }
    }
    this.draw();
  }

  // An item in view that keeps its place on the screen when the graph is replaced: the selected one, or a central one.
  anchor() {
    const { width, height } = this.size();
    let best = null, distance = Infinity;
    for (const item of this.scene.items) {
      const x = item.x * this.scale + this.dx, y = item.y * this.scale + this.dy;
      if (x < -item.w || y < -item.h || x > width || y > height) continue;
      const d = item.id === this.selected ? -1 : Math.hypot(x - width / 2, y - height / 2);
      if (d < distance) { best = { id: item.id, x, y }; distance = d; }
    }
    return best;
  }

  size() { return { width: this.canvas.clientWidth, height: this.canvas.clientHeight }; }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    let changed = false;
    for (const c of [this.canvas, this.map]) {
      const [width, height] = [Math.round(c.clientWidth * ratio), Math.round(c.clientHeight * ratio)];
      if (c.width === width && c.height === height) continue;
      c.width = width;
      c.height = height;
      changed = true;
    }
    // A new size empties the canvas: painting at once leaves no blank frame.
    if (changed) this.paint();
  }

  fit() {
    const { width, height } = this.size(), b = this.scene.bounds;
    this.scale = Math.min(1.1, Math.max(0.02, Math.min((width - 130) / Math.max(1, b.w), (height - 80) / Math.max(1, b.h))));
    this.dx = (width - 70) / 2 - (b.x + b.w / 2) * this.scale;
    this.dy = height / 2 - (b.y + b.h / 2) * this.scale;
    this.draw();
  }

  // A first look: the whole graph where it stays readable, else its top.
  start() {
    this.fit();
    if (this.scale >= 0.5) return;
    const { width } = this.size(), first = this.scene.items[this.scene.rows[0]?.[0] ?? 0];
    this.scale = 0.85;
    this.dx = (width - 70) / 2 - (first ? first.x + first.w / 2 : 0) * this.scale;
    this.dy = 40;
    this.draw();
  }

  reveal(id, gently) {
    const index = this.scene?.byId.get(id);
    if (index === undefined) return false;
    const item = this.scene.items[index], { width, height } = this.size();
    const scale = Math.max(this.scale, 0.7);
    const dx = (width - 70) / 2 - (item.x + item.w / 2) * scale, dy = height / 2 - (item.y + item.h / 2) * scale;
    if (gently && scale === this.scale) {
      const x = item.x * scale + this.dx, y = item.y * scale + this.dy;
      if (x > 40 && y > 40 && x + item.w * scale < width - 140 && y + item.h * scale < height - 40) { this.draw(); return true; }
    }
    this.move(scale, dx, dy);
    return true;
  }

  move(scale, dx, dy) {
    cancelAnimationFrame(this.frame);
    const from = [this.scale, this.dx, this.dy], start = performance.now();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches || document.hidden || this.instant;
    const step = (now) => {
      const t = still ? 1 : Math.min(1, (now - start) / 220), e = 1 - (1 - t) ** 3;
      this.scale = from[0] + (scale - from[0]) * e;
      this.dx = from[1] + (dx - from[1]) * e;
      this.dy = from[2] + (dy - from[2]) * e;
      this.paint();
      if (t < 1) this.frame = requestAnimationFrame(step);
    };
    if (still) step(start);
    else this.frame = requestAnimationFrame(step);
  }

  zoom(factor, x, y) {
    const scale = Math.min(2.5, Math.max(0.01, this.scale * factor)), k = scale / this.scale;
    this.dx = x - (x - this.dx) * k;
    this.dy = y - (y - this.dy) * k;
    this.scale = scale;
    this.draw();
  }

  draw() {
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => this.paint());
  }

  // The layers between two heights.
  layers(top, bottom) {
    const { tops, heights } = this.scene;
    let low = 0, high = tops.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tops[middle] + heights[middle] < top) low = middle + 1;
      else high = middle;
    }
    let last = low;
    while (last < tops.length && tops[last] <= bottom) last++;
    return [low, last];
  }

  paint() {
    const c = this.context, ratio = window.devicePixelRatio || 1, { width, height } = this.size();
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    if (!this.scene || !width) return;
    const s = this.scale;
    c.translate(this.dx, this.dy);
    c.scale(s, s);
    const left = -this.dx / s, right = left + width / s, top = -this.dy / s, bottom = top + height / s;
    const [first, last] = this.layers(top, bottom);
    const chosen = this.scene.byId.get(this.selected);
    this.paintEdges(c, Math.max(0, first - 1), last, left, right, chosen);
    c.textBaseline = "middle";
    for (let r = first; r < last; r++) {
      for (const index of this.scene.rows[r]) {
        const item = this.scene.items[index];
        if (item.x > right) break;
        if (item.x + item.w < left) continue;
        this.paintItem(c, item, s, index === chosen);
      }
    }
    this.paintMap(left, right, top, bottom);
  }

  paintEdges(c, first, last, left, right, chosen) {
    const { byLayer, far, items, preds } = this.scene, s = this.scale;
    const inputs = new Set(chosen === undefined ? [] : preds[chosen]);
    const path = (e) => {
      if (e.bend) { c.moveTo(e.x1, e.top); c.lineTo(e.x1, e.y1); } else c.moveTo(e.x1, e.y1);
      const bend = Math.min(60, (e.y2 - e.y1) * 0.5);
      c.bezierCurveTo(e.x1, e.y1 + bend, e.x2, e.y2 - bend, e.x2, e.y2);
    };
    const strong = [[], []];
    c.lineWidth = Math.max(1.1, 0.7 / s);
    c.strokeStyle = palette.edge;
    c.beginPath();
    const one = (e) => {
      if (chosen !== undefined) {
        if (e.source === chosen) { strong[1].push(e); return; }
        if (inputs.has(e.source) && (e.target === chosen || (e.target < 0 && e.level < items[chosen].layer - 1))) { strong[0].push(e); return; }
      }
      if (Math.min(e.x1, e.x2) <= right && Math.max(e.x1, e.x2) >= left) path(e);
    };
    for (let r = first; r < last; r++) for (const e of byLayer[r] || []) one(e);
    for (const e of far) one(e);
    c.stroke();
    if (s > 0.3) {
      c.fillStyle = palette.edge;
      c.beginPath();
      for (let r = first; r < last; r++) {
        for (const e of byLayer[r] || []) {
          if (e.target < 0) continue;
          c.moveTo(e.x2, e.y2);
          c.lineTo(e.x2 - 3.5, e.y2 - 7);
          c.lineTo(e.x2 + 3.5, e.y2 - 7);
        }
      }
      c.fill();
    }
    [palette.accent, palette.heat].forEach((color, i) => {
      c.strokeStyle = color;
      c.lineWidth = Math.max(2, 1.4 / s);
      c.beginPath();
      strong[i].forEach(path);
      c.stroke();
    });
  }

  color(item) {
    if (this.colorBy === "target" && item.node) return palette.targets[Math.max(0, this.targets.indexOf(item.node.target)) % 5];
    return palette.kinds[item.kind] || palette.muted;
  }

  paintItem(c, item, s, isChosen) {
    const { x, y, w, h } = item, mark = item.status && palette[item.status];
    const weak = item.status === "rewired" || item.status === "placed";
    if (s < 0.28) {
      c.fillStyle = mark && !weak ? mark : this.colorBy === "flops" ? this.heatColor(item) : this.color(item);
      c.globalAlpha = mark && !weak ? 1 : 0.75;
      c.fillRect(x, y, w, h);
      c.globalAlpha = 1;
      if (isChosen) {
        c.strokeStyle = palette.accent;
        c.lineWidth = 3 / s;
        c.strokeRect(x, y, w, h);
      }
      return;
    }
    const round = item.port ? h / 2 : 7;
    c.beginPath();
    c.roundRect(x, y, w, h, round);
    c.fillStyle = palette.surface;
    c.fill();
    if (this.colorBy === "flops" && item.node) {
      c.globalAlpha = 0.75 * Math.sqrt((work(item.node.flops) || 0) / this.scene.heat);
      c.fillStyle = palette.heat;
      c.fill();
      c.globalAlpha = 1;
    } else if (mark && !weak) {
      c.globalAlpha = 0.16;
      c.fillStyle = mark;
      c.fill();
      c.globalAlpha = 1;
    }
    if (!item.port) {
      c.save();
      c.clip();
      c.fillStyle = this.color(item);
      c.fillRect(x, y, 5, h);
      c.restore();
    }
    c.beginPath();
    c.roundRect(x, y, w, h, round);
    c.strokeStyle = isChosen ? palette.accent : mark || (item === this.hover ? palette.muted : palette.line);
    c.lineWidth = isChosen ? 2.5 : mark && !weak ? 2 : 1.2;
    if (item.status === "removed") c.setLineDash([6, 4]);
    c.stroke();
    c.setLineDash([]);
    if (item.inner && s > 0.3) {
      c.strokeStyle = palette.line;
      c.lineWidth = 1.2;
      c.beginPath();
      c.roundRect(x + 3, y + 3, w - 6, h - 6, round - 2);
      c.stroke();
    }
    let line = y + 16;
    const fonts = ["600 13px " + FONT, "11.5px " + FONT, "11px " + MONO];
    item.lines.forEach((text, i) => {
      if (!text) return;
      c.font = fonts[i];
      c.fillStyle = i === 0 ? palette.text : palette.muted;
      c.fillText(text, x + 15, line);
      line += 17;
    });
    if (item.badge) {
      c.font = "600 10.5px " + FONT;
      c.fillStyle = palette.targets[Math.max(0, this.targets.indexOf(item.badge)) % 5];
      c.textAlign = "right";
      c.fillText(printable(item.badge), x + w - 11, y + 16);
      c.textAlign = "left";
    }
  }

  heatColor(item) { return item.node && (work(item.node.flops) || 0) > 0.05 * this.scene.heat ? palette.heat : palette.line; }

  paintMap(left, right, top, bottom) {
    const c = this.map.getContext("2d"), ratio = window.devicePixelRatio || 1;
    const w = this.map.clientWidth, h = this.map.clientHeight, b = this.scene.bounds;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, w, h);
    if (!b.h) return;
    const sy = Math.min(1, (h - 12) / b.h), sx = Math.min(sy * 6, (w - 12) / Math.max(1, b.w));
    const ox = w / 2 - (b.x + b.w / 2) * sx, oy = (h - b.h * sy) / 2;
    this.mapScale = { sx, sy, ox, oy };
    const late = [];
    for (const item of this.scene.items) {
      if (item.status && item.status !== "rewired" && item.status !== "placed") { late.push(item); continue; }
      c.fillStyle = palette.edge;
      c.fillRect(ox + item.x * sx, oy + item.y * sy, Math.max(1.5, item.w * sx), Math.max(1, item.h * sy));
    }
    for (const item of late) {
      c.fillStyle = palette[item.status];
      c.fillRect(ox + item.x * sx - 2, oy + item.y * sy - 1, Math.max(4, item.w * sx) + 4, Math.max(2.5, item.h * sy) + 1);
    }
    c.strokeStyle = palette.accent;
    c.lineWidth = 1.5;
    const x1 = Math.max(1, ox + left * sx), x2 = Math.min(w - 1, ox + right * sx);
    const y1 = Math.max(1, oy + top * sy), y2 = Math.min(h - 1, oy + bottom * sy);
    if (x2 > x1 && y2 > y1 - 4) c.strokeRect(x1, y1, x2 - x1, Math.max(4, y2 - y1));
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left - this.dx) / this.scale, y = (event.clientY - box.top - this.dy) / this.scale;
    const [first, last] = this.layers(y, y);
    for (let r = first; r < last; r++) {
      for (const index of this.scene.rows[r]) {
        const item = this.scene.items[index];
        if (x >= item.x && x <= item.x + item.w && y >= item.y && y <= item.y + item.h) return item;
      }
    }
    return null;
  }

  listen() {
    const { canvas } = this;
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      cancelAnimationFrame(this.frame);
      drag = { x: event.clientX, y: event.clientY, dx: this.dx, dy: this.dy, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.scene) return;
      if (drag) {
        const x = event.clientX - drag.x, y = event.clientY - drag.y;
        if (Math.hypot(x, y) > 4) drag.moved = true;
        if (drag.moved) {
          this.dx = drag.dx + x;
          this.dy = drag.dy + y;
          canvas.style.cursor = "grabbing";
          this.draw();
        }
        return;
      }
      const item = this.at(event);
      canvas.style.cursor = item ? "pointer" : "grab";
      if (item !== this.hover) { this.hover = item; this.draw(); }
      this.tip.hidden = !item || this.scale > 0.55;
      if (item && !this.tip.hidden) {
        this.tip.textContent = item.lines.filter(Boolean).join("\n");
        this.tip.style.left = `${event.offsetX + 14}px`;
        this.tip.style.top = `${event.offsetY + 14}px`;
      }
    });
    canvas.addEventListener("pointerup", (event) => {
      if (drag && !drag.moved && this.scene) this.events.select(this.at(event));
      drag = null;
      canvas.style.cursor = "grab";
    });
    canvas.addEventListener("pointercancel", () => { drag = null; });
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    canvas.addEventListener("dblclick", (event) => {
      const item = this.scene && this.at(event);
      if (item?.inner) this.events.open(item);
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 16 : 1;
      if (event.shiftKey && !event.ctrlKey) {
        this.dx -= (event.deltaX || event.deltaY) * unit;
        this.draw();
        return;
      }
      this.zoom(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), event.offsetX, event.offsetY);
    }, { passive: false });
    let steering = false;
    const steer = (event) => {
      const m = this.mapScale;
      if (!m) return;
      const { width, height } = this.size();
      this.dx = (width - 70) / 2 - ((event.offsetX - m.ox) / m.sx) * this.scale;
      this.dy = height / 2 - ((event.offsetY - m.oy) / m.sy) * this.scale;
      this.draw();
    };
    this.map.addEventListener("pointerdown", (event) => { steering = true; this.map.setPointerCapture(event.pointerId); steer(event); });
    this.map.addEventListener("pointermove", (event) => { if (steering) steer(event); });
    this.map.addEventListener("pointerup", () => { steering = false; });
  }
}
