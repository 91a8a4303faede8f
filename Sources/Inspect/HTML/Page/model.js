// The data of the page: graphs of all stages, decoded when they are first looked at.
const data = JSON.parse(document.getElementById("data").textContent);
const str = (i) => (i < 0 ? "" : data.strings[i]);
const memo = (make) => {
  const known = new Map();
  return (key) => {
    if (!known.has(key)) known.set(key, make(key));
    return known.get(key);
  };
};
const pairs = (flat) => {
  const result = [];
  for (let i = 0; i + 1 < flat.length; i += 2) result.push([str(flat[i]), str(flat[i + 1])]);
  return result;
};

const version = memo((index) => {
  const r = data.versions[index];
  return {
    index, uid: r[0], title: str(r[1]), op: str(r[2]), kind: data.kinds[r[3]], attributes: pairs(r[4]), operands: r[5],
    results: r[6].map(([value, name, type]) => ({ value, name: str(name), type: str(type) })), sources: pairs(r[7]),
    target: str(r[8]), flops: str(r[9]), bytes: str(r[10]), constant: r[11] < 0 ? null : str(r[11]), graphs: r[12],
  };
});

const graphOrder = memo((index) => {
  const base = data.graphs[index][4];
  const below = base < 0 ? [] : graphOrder(base);
  const order = [];
  for (const item of data.graphs[index][5]) {
    if (typeof item === "number") order.push(item);
    else for (let i = 0; i < item[1]; i++) order.push(below[item[0] + i]);
  }
  return order;
});

const graph = memo((index) => {
  const r = data.graphs[index];
  const g = {
    index, path: str(r[0]), name: str(r[1]), nodes: graphOrder(index).map(version),
    inputs: r[2].map(([value, name, type]) => ({ value, name: str(name), type: str(type) })),
    outputs: r[3].map(([value, name]) => ({ value, name: str(name) })),
    byUid: new Map(), producer: new Map(), users: new Map(), values: new Map(),
  };
  for (const input of g.inputs) g.values.set(input.value, input);
  for (const node of g.nodes) {
    g.byUid.set(node.uid, node);
    for (const result of node.results) {
      g.producer.set(result.value, node);
      g.values.set(result.value, result);
    }
    new Set(node.operands).forEach((value) => {
      if (value < 0) return;
      if (!g.users.has(value)) g.users.set(value, []);
      g.users.get(value).push(node);
    });
  }
  return g;
});

// All graphs of a stage by path; the outermost has the empty path.
const stageGraphs = memo((stage) => {
  const found = new Map();
  const visit = (g, owner) => {
    found.set(g.path, { graph: g, owner });
    for (const node of g.nodes) for (const inner of node.graphs) visit(graph(inner), { path: g.path, uid: node.uid });
  };
  visit(graph(data.stages[stage].graph), null);
  return found;
});

// How a nested graph is called: after the node that owns it.
function graphName(stage, path) {
  const { graph: g, owner } = stageGraphs(stage).get(path);
  if (!owner) return g.name || "graph";
  const node = stageGraphs(stage).get(owner.path).graph.byUid.get(owner.uid);
  const index = Number(path.split(".").pop());
  const part = node.op === "if" ? ["then", "else"][index] : node.graphs.length > 1 ? String(index) : "body";
  return `${node.title}${nodeLabel(node) ? " " + shortName(nodeLabel(node)) : ""}: ${part}`;
}

const sourceText = (node) => node.sources.map(([name, op]) => `${name} (${op})`).join(", ");
const nodeLabel = (node) => (node.sources.length ? node.sources[0][0] : node.results[0]?.name || "");

function valueName(g, value) {
  if (value < 0) return "none";
  const known = g.values.get(value);
  if (known?.name) return "%" + known.name;
  const node = g.producer.get(value);
  if (!node) return "%" + value;
  const at = node.results.length > 1 ? "." + node.results.findIndex((r) => r.value === value) : "";
  return "%" + (node.sources.length ? node.sources[0][0] + "." : "") + node.op + "·" + node.uid + at;
}

// What became of each node of a graph between two stages.
const sameList = (a, b) => a.length === b.length && a.every((x, i) => String(x) === String(b[i]));
function change(old, now) {
  if (old.index === now.index) return null;
  const types = (node) => node.results.map((r) => r.type);
  const own =
    old.title === now.title && sameList(old.attributes, now.attributes) && sameList(types(old), types(now)) &&
    old.constant === now.constant && sameList(old.graphs, now.graphs);
  if (!own) return "changed";
  if (old.target !== now.target) return "placed";
  return "rewired";
}

const compare = memo((stage) => {
  const paths = new Map();
  if (stage === 0) return paths;
  const [before, after] = [stageGraphs(stage - 1), stageGraphs(stage)];
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [old, now] = [before.get(path)?.graph, after.get(path)?.graph];
    const status = new Map();
    if (old !== now) {
      for (const node of now ? now.nodes : []) {
        const known = old?.byUid.get(node.uid);
        const what = known ? change(known, node) : "added";
        if (what) status.set(node.uid, what);
      }
      for (const node of old ? old.nodes : []) if (!now?.byUid.has(node.uid)) status.set(node.uid, "removed");
    }
    if (status.size) paths.set(path, status);
  }
  return paths;
});

// Changes of a stage in groups: nodes that went and came from the same source nodes belong together.
const changeGroups = memo((stage) => {
  const groups = [];
  for (const [path, status] of compare(stage)) {
    const old = stageGraphs(stage - 1).get(path)?.graph, now = stageGraphs(stage).get(path)?.graph;
    const parent = new Map();
    const find = (x) => {
      while (parent.get(x) !== x) {
        parent.set(x, parent.get(parent.get(x)));
        x = parent.get(x);
      }
      return x;
    };
    const items = [];
    for (const [uid, what] of status) {
      if (what === "rewired" || what === "placed") continue;
      const node = what === "removed" ? old.byUid.get(uid) : now.byUid.get(uid);
      const key = "n" + uid;
      parent.set(key, key);
      items.push({ key, what, node, position: (what === "removed" ? old : now).nodes.indexOf(node) });
      for (const [name] of node.sources) {
        const source = "s" + name;
        if (!parent.has(source)) parent.set(source, source);
        parent.set(find(key), find(source));
      }
    }
    // A constant belongs to what reads it.
    for (const item of items) {
      if (item.node.constant === null) continue;
      const users = (item.what === "removed" ? old : now).users.get(item.node.results[0]?.value) ?? [];
      const changed = users.filter((user) => parent.has("n" + user.uid));
      if (changed.length === 1) parent.set(find(item.key), find("n" + changed[0].uid));
    }
    const byRoot = new Map();
    for (const item of items) {
      const root = find(item.key);
      if (!byRoot.has(root)) byRoot.set(root, { path, removed: [], added: [], changed: [], position: item.position });
      byRoot.get(root)[item.what].push(item.node);
    }
    groups.push(...byRoot.values());
  }
  return groups;
});

const countChanges = memo((stage) => {
  const count = { added: 0, removed: 0, changed: 0, rewired: 0, placed: 0 };
  for (const status of compare(stage).values()) for (const what of status.values()) count[what] += 1;
  return count;
});

// Sizes are expressions such as `2*h + floordiv(w, 4)`: evaluated under values for the symbols, NaN where one is missing.
const sizes = { ...data.sizes };
function evaluate(text) {
  let at = 0;
  const skip = () => { while (text[at] === " ") at++; };
  const take = (c) => { skip(); if (text[at] !== c) return false; at++; return true; };
  const sum = (depth) => {
    if (depth > 80) return NaN;
    let negative = take("-"), total = 0;
    for (;;) {
      let value = factor(depth);
      while (take("*")) value *= factor(depth);
      total += negative ? -value : value;
      if (take("+")) negative = false;
      else if (take("-")) negative = true;
      else return total;
    }
  };
  const factor = (depth) => {
    skip();
    const word = /^[A-Za-z0-9_.]+/.exec(text.slice(at, at + 200))?.[0];
    if (!word) return NaN;
    at += word.length;
    if (/^[0-9]/.test(word)) return Number(word);
    if (!take("(")) return Object.hasOwn(sizes, word) && sizes[word] > 0 ? sizes[word] : NaN;
    const a = sum(depth + 1);
    take(",");
    const b = sum(depth + 1);
    take(")");
    if (word === "floordiv") return Math.floor(a / b);
    if (word === "mod") return a - b * Math.floor(a / b);
    return word === "min" ? Math.min(a, b) : Math.max(a, b);
  };
  return sum(0);
}
const work = (text) => (/^-?[0-9]+$/.test(text) ? Number(text) : evaluate(text));
const stageWork = (stage, what) => work(str(data.stages[stage][what]));

// A type with the sizes that are known put in.
function typeText(type) {
  const open = type.indexOf("[");
  if (open < 0 || !Object.keys(sizes).length || /^[^a-zA-Z]*\]$/.test(type.slice(open + 1))) return type;
  const parts = [];
  let depth = 0, start = open + 1;
  for (let i = start; i < type.length; i++) {
    if (type[i] === "(") depth++;
    if (type[i] === ")") depth--;
    if ((type[i] === "," && depth === 0) || i === type.length - 1) {
      const part = type.slice(start, i).trim(), value = part ? evaluate(part) : NaN;
      parts.push(Number.isNaN(value) ? part : String(value));
      start = i + 1;
    }
  }
  return `${type.slice(0, open)}[${parts.join(", ")}]`;
}
function scaled(value, unit = "") {
  if (Number.isNaN(value)) return "symbolic";
  if (Math.abs(value) < 1000) return `${value}${unit ? " " + unit : ""}`;
  const names = ["", "K", "M", "G", "T", "P"];
  let i = 0;
  while (Math.abs(value) >= 999.5 && i < names.length - 1) { value /= 1000; i++; }
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} ${names[i]}${unit}`;
}

// The text form of a graph, one line for each node, values by name.
function textLines(g, depth, lines) {
  const indent = "  ".repeat(depth);
  const inputs = g.inputs.map((input) => `%${input.name || input.value}: ${input.type}`).join(", ");
  lines.push(`${indent}graph ${JSON.stringify(g.name)} (${inputs}) {`);
  for (const node of g.nodes) {
    const results = node.results.map((r) => valueName(g, r.value)).join(", ");
    let line = `${indent}  ${results ? results + " = " : ""}${node.op}`;
    if (node.constant !== null) line += ` ${node.results[0]?.type ?? ""} ${node.constant.length > 44 ? node.constant.slice(0, 40) + "…" : node.constant}`;
    else {
      line += `(${node.operands.map((v) => valueName(g, v)).join(", ")})`;
      if (node.attributes.length) line += ` {${node.attributes.map(([k, v]) => `${k} = ${v}`).join(", ")}}`;
      if (node.results.length) line += ` : ${node.results.map((r) => r.type).join(", ")}`;
    }
    if (node.target) line += ` on ${node.target}`;
    if (node.sources.length) line += ` from ${sourceText(node)}`;
    lines.push(line);
    for (const inner of node.graphs) textLines(graph(inner), depth + 1, lines);
  }
  lines.push(`${indent}  return ${g.outputs.map((o) => `${valueName(g, o.value)} ${JSON.stringify(o.name)}`).join(", ")}`);
  lines.push(`${indent}}`);
  return lines;
}

// Lines that went and came: Myers' shortest edit script between the common head and tail.
const diff = memo((stage) => {
  const a = textLines(graph(data.stages[stage - 1].graph), 0, []), b = textLines(graph(data.stages[stage].graph), 0, []);
  let head = 0, tail = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const x = a.slice(head, a.length - tail), y = b.slice(head, b.length - tail);
  const edits = [];
  for (let i = 0; i < head; i++) edits.push([" ", a[i]]);
  edits.push(...script(x, y));
  for (let i = a.length - tail; i < a.length; i++) edits.push([" ", a[i]]);
  return edits;
});
function script(a, b) {
  const n = a.length, m = b.length, limit = Math.min(n + m, 3000), offset = limit + 1;
  let reach = new Int32Array(2 * limit + 3);
  const trail = [];
  for (let d = 0; d <= limit; d++) {
    trail.push(reach.slice(offset - d - 1, offset + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && reach[offset + k - 1] < reach[offset + k + 1]);
      let i = down ? reach[offset + k + 1] : reach[offset + k - 1] + 1, j = i - k;
      while (i < n && j < m && a[i] === b[j]) { i++; j++; }
      reach[offset + k] = i;
      if (i >= n && j >= m) return backtrack(a, b, trail);
    }
  }
  return [...a.map((line) => ["-", line]), ...b.map((line) => ["+", line])];
}
function backtrack(a, b, trail) {
  const edits = [];
  let i = a.length, j = b.length;
  for (let d = trail.length - 1; d >= 0; d--) {
    const at = (k) => trail[d][k + d + 1];
    const k = i - j;
    const down = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const before = down ? k + 1 : k - 1;
    const pi = d === 0 ? 0 : at(before), pj = d === 0 ? 0 : pi - before;
    while (i > pi && j > pj) edits.push([" ", a[--i]]), j--;
    if (d === 0) break;
    edits.push(down ? ["+", b[j - 1]] : ["-", a[i - 1]]);
    i = pi;
    j = pj;
  }
  return edits.reverse();
}
