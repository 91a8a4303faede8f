// Everything beside the picture: passes, inspector, lists, text difference, tables.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== "") node.append(child);
  return node;
}
const show = (text) => printable(String(text));

// A long list of rows of one height: only those in view exist.
class LongList {
  constructor(box, rowHeight, render) {
    Object.assign(this, { box, rowHeight, render, rows: [] });
    this.inner = el("div", { class: "long" });
    box.append(this.inner);
    box.addEventListener("scroll", () => this.paint(), { passive: true });
    new ResizeObserver(() => this.paint()).observe(box);
  }
  set(rows, width) {
    this.rows = rows;
    this.inner.style.height = `${rows.length * this.rowHeight}px`;
    this.inner.style.minWidth = width ?? "";
    this.paint();
  }
  paint() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.rowHeight) - 8);
    const last = Math.min(this.rows.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.rowHeight) + 8);
    this.inner.replaceChildren();
    for (let i = first; i < last; i++) {
      const row = this.render(this.rows[i], i);
      row.style.top = `${i * this.rowHeight}px`;
      this.inner.append(row);
    }
  }
  reveal(index) {
    this.box.scrollTop = Math.max(0, index * this.rowHeight - this.box.clientHeight / 2);
    this.paint();
  }
}

function delta(before, after, format) {
  if (Number.isNaN(before) || Number.isNaN(after)) return el("span", { class: "same" }, Number.isNaN(after) ? "symbolic" : format(after));
  const isSame = format(before) === format(after);
  const kind = isSame ? "same" : after < before ? "less" : "more";
  return el("span", { class: kind }, isSame ? format(after) : [el("i", {}, format(before)), " → ", format(after)]);
}

function passList(app) {
  const list = document.getElementById("passlist");
  const quiet = document.getElementById("quiet").checked;
  list.replaceChildren();
  const longest = Math.max(...data.stages.map((s) => s.ms), 0.001);
  data.stages.forEach((stage, index) => {
    const count = countChanges(index);
    const isIdle = index > 0 && stage.rewrites === 0 && Object.values(count).every((n) => n === 0);
    if (quiet && isIdle && index !== app.stage) return;
    const chips = [];
    for (const [what, sign] of [["added", "+"], ["removed", "−"], ["changed", "~"], ["placed", "⌂"]])
      if (count[what]) chips.push(el("span", { class: `chip ${what}`, title: `${count[what]} nodes ${what}` }, sign + count[what]));
    const before = index > 0 ? index - 1 : 0;
    const facts = [delta(index ? stage.before : stage.after, stage.after, (n) => `${n} nodes`)];
    const f0 = stageWork(before, "flops"), f1 = stageWork(index, "flops");
    if (!Number.isNaN(f1)) facts.push(delta(index ? f0 : f1, f1, (n) => scaled(n, "flop")));
    const b0 = stageWork(before, "bytes"), b1 = stageWork(index, "bytes");
    if (!Number.isNaN(b1)) facts.push(delta(index ? b0 : b1, b1, (n) => scaled(n, "B")));
    list.append(
      el("li", {},
        el("button", {
          class: `pass${index === app.stage ? " on" : ""}${isIdle ? " idle" : ""}`, "aria-current": index === app.stage ? "true" : false,
          onclick: () => app.go({ stage: index }),
        },
          el("span", { class: "row" }, el("span", { class: "n" }, index), el("b", {}, show(stage.name)),
            stage.rewrites ? el("span", { class: "rewrites", title: "rewrites" }, `${stage.rewrites}×`) : null,
            el("span", { class: "ms" }, `${stage.ms < 10 ? stage.ms.toFixed(1) : stage.ms.toFixed(0)} ms`)),
          el("span", { class: "bar" }, el("i", { style: `width:${(100 * stage.ms) / longest}%` })),
          isIdle ? null : el("span", { class: "facts" }, facts),
          chips.length ? el("span", { class: "chips" }, chips) : null)));
  });
  list.querySelector(".on")?.scrollIntoView({ block: "nearest" });
}

function sizePanel(app) {
  const box = document.getElementById("sizes"), title = el("summary", {});
  box.hidden = !data.symbols.length;
  const label = () => {
    const open = data.symbols.filter((symbol) => !sizes[symbol]).length;
    title.textContent = open ? `Give ${open === 1 ? "a size" : open + " sizes"} to see flops and bytes` : `Sizes: ${data.symbols.map((symbol) => `${show(symbol)} = ${sizes[symbol]}`).join(", ")}`;
  };
  box.replaceChildren(title);
  for (const symbol of data.symbols) {
    box.append(el("label", { class: "size" }, el("span", { title: show(symbol) }, show(symbol)), el("input", {
      type: "number", min: 1, step: 1, value: sizes[symbol] ?? "", placeholder: "?",
      oninput: (event) => {
        const value = Math.floor(Number(event.target.value));
        if (value > 0) sizes[symbol] = value;
        else delete sizes[symbol];
        label();
        app.refreshWork();
      },
    })));
  }
  label();
}

function facts(rows) {
  return el("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function nodeLink(app, node, path, { side, what } = {}) {
  return el("button", { class: `link${what ? " " + what : ""}`, onclick: () => app.go({ uid: node.uid, path, side: side ?? app.side, tab: app.tab === "graph" || app.tab === "nodes" ? app.tab : "graph" }) },
    el("span", { class: "dot", style: `background:var(--k-${node.kind})` }), show(node.title), nodeLabel(node) ? el("small", { title: show(nodeLabel(node)) }, show(shortName(nodeLabel(node)))) : null);
}

// The end of a path tells more than its beginning.
const shortName = (name) => (name.length > 28 ? "…" + name.slice(-26) : name);

// Work in a number, or its expression: folded where it is long.
function amount(text, unit) {
  const value = work(text);
  if (!Number.isNaN(value)) return scaled(value, unit);
  return text.length <= 60 ? el("code", {}, show(text)) : el("details", {}, el("summary", {}, "symbolic"), el("code", {}, show(text)));
}

function inspectNode(app, g, node) {
  const box = [];
  const status = app.status().get(node.uid);
  box.push(el("div", { class: "title" }, el("span", { class: "dot big", style: `background:var(--k-${node.kind})` }), el("h2", {}, show(node.title)),
    status ? el("span", { class: `chip ${status}` }, status) : null, el("button", { class: "close", title: "Deselect (Esc)", onclick: () => app.go({ uid: null }) }, "×")));
  const flops = work(node.flops), bytes = work(node.bytes);
  box.push(facts([
    ["operation", node.op], node.target ? ["target", show(node.target)] : null,
    node.flops !== "0" ? ["flops", amount(node.flops, "")] : null,
    node.bytes !== "0" ? ["bytes", amount(node.bytes, "B")] : null,
    flops > 0 && bytes > 0 ? ["intensity", `${(flops / bytes).toFixed(flops / bytes < 10 ? 2 : 0)} flop/B`] : null,
  ]));
  if (node.constant !== null) box.push(el("h3", {}, "Value"), el("pre", {}, show(node.constant)));
  if (node.attributes.length) box.push(el("h3", {}, "Attributes"), facts(node.attributes.map(([name, value]) => [show(name), el("code", {}, show(value))])));
  const value = (v) => {
    if (v < 0) return el("li", {}, el("small", {}, "none"));
    const producer = g.producer.get(v), known = g.values.get(v);
    const input = g.inputs.find((i) => i.value === v);
    return el("li", {},
      producer ? nodeLink(app, producer, app.path) : el("button", { class: "link", onclick: () => app.view.reveal("i" + v) }, el("span", { class: "dot", style: "background:var(--k-port)" }), `input ${show(input?.name ?? "")}`),
      el("code", {}, show(typeText(known?.type ?? ""))), producer?.constant ? el("small", { class: "value" }, show(producer.constant)) : null);
  };
  if (node.operands.length) box.push(el("h3", {}, "Operands"), el("ol", { class: "values", start: 0 }, node.operands.map(value)));
  if (node.results.length) {
    box.push(el("h3", {}, "Results"), el("ol", { class: "values", start: 0 }, node.results.map((result) => {
      const users = g.users.get(result.value) ?? [];
      const outputs = g.outputs.filter((o) => o.value === result.value);
      return el("li", {}, el("span", { class: "name" }, show(result.name ? "%" + result.name : "unnamed")), el("code", {}, show(typeText(result.type))),
        el("ul", { class: "users" }, outputs.map((o) => el("li", {}, el("small", {}, `output ${show(o.name)}`))),
          users.slice(0, 40).map((user) => el("li", {}, nodeLink(app, user, app.path))), users.length > 40 ? el("li", {}, `and ${users.length - 40} more`) : null));
    })));
  }
  if (node.sources.length)
    box.push(el("h3", {}, node.sources.length > 1 ? `Sources (${node.sources.length})` : "Source"), el("ul", { class: "sources" }, node.sources.map(([name, op]) => el("li", {}, el("span", {}, show(name)), el("small", {}, show(op))))));
  if (node.graphs.length)
    box.push(el("h3", {}, "Nested graphs"), el("ul", { class: "values" }, node.graphs.map((index) => {
      const inner = graph(index);
      return el("li", {}, el("button", { class: "link open", onclick: () => app.go({ path: inner.path, uid: null, tab: "graph" }) }, `Open ${show(graphName(app.shownStage(), inner.path).split(": ").pop())}`), el("small", {}, `${inner.nodes.length} nodes`));
    })));
  if (status === "changed" || status === "placed" || status === "rewired") {
    const [old, now] = [app.other(app.stage - 1, node.uid), app.other(app.stage, node.uid)];
    if (old && now) {
      const rows = [];
      const note = (name, a, b) => { if (a !== b) rows.push([name, [el("del", {}, show(a || "none")), el("ins", {}, show(b || "none"))]]); };
      note("operation", old.title, now.title);
      note("target", old.target, now.target);
      note("results", old.results.map((r) => r.type).join(", "), now.results.map((r) => r.type).join(", "));
      const [a, b] = [new Map(old.attributes), new Map(now.attributes)];
      for (const name of new Set([...a.keys(), ...b.keys()])) note(name, a.get(name), b.get(name));
      const [before, after] = [app.graphAt(app.stage - 1), app.graphAt(app.stage)];
      note("operands", old.operands.map((v) => valueName(before, v)).join(", "), now.operands.map((v) => valueName(after, v)).join(", "));
      note("sources", sourceText(old), sourceText(now));
      if (rows.length) box.push(el("h3", {}, "Changed by this pass"), facts(rows));
    }
  }
  const history = [];
  data.stages.forEach((stage, index) => {
    if (index === 0) return;
    const what = compare(index).get(app.path)?.get(node.uid);
    if (what) history.push(el("li", {}, el("span", { class: `chip ${what}` }, what), el("button", { class: `link${index === app.stage ? " here" : ""}`, onclick: () => app.go({ stage: index, side: what === "removed" ? "before" : "after", uid: node.uid }) }, show(stage.name))));
  });
  if (history.length) box.push(el("h3", {}, "History"), el("ul", { class: "history" }, history));
  return box;
}

function inspectStage(app) {
  const stage = data.stages[app.stage], box = [];
  box.push(el("div", { class: "title" }, el("h2", {}, show(stage.name))));
  const last = app.stage ? app.stage - 1 : app.stage;
  box.push(facts([
    app.stage ? ["rewrites", stage.rewrites] : null,
    ["nodes", delta(app.stage ? stage.before : stage.after, stage.after, String)],
    ["flops", delta(stageWork(last, "flops"), stageWork(app.stage, "flops"), (n) => scaled(n))],
    ["bytes", delta(stageWork(last, "bytes"), stageWork(app.stage, "bytes"), (n) => scaled(n, "B"))],
    ["time", `${stage.ms} ms`],
  ]));
  if (stage.notes.length) box.push(el("h3", {}, "Notes"), el("ul", { class: "notes" }, stage.notes.slice(0, 200).map((note) => el("li", {}, show(note)))));
  if (app.stage === 0) {
    const g = app.graphAt(0);
    const count = new Map();
    for (const node of g.nodes) if (node.constant === null) count.set(node.title, (count.get(node.title) ?? 0) + 1);
    const ports = (list, name) => [el("h3", {}, name), el("ul", { class: "sources" }, list.map((p) => el("li", {}, el("span", {}, show(p.name)), el("code", {}, show(typeText(g.values.get(p.value)?.type ?? ""))))))];
    box.push(ports(g.inputs, "Inputs"), ports(g.outputs, "Outputs"));
    const most = Math.max(...count.values(), 1);
    box.push(el("h3", {}, "Operations"), el("ul", { class: "counts" }, [...count].sort((a, b) => b[1] - a[1]).map(([title, n]) =>
      el("li", {}, el("button", { class: "link", onclick: () => app.search(title) }, show(title)), el("span", { class: "meter" }, el("i", { style: `width:${(100 * n) / most}%` })), el("small", {}, n)))));
    return box;
  }
  const groups = changeGroups(app.stage), count = countChanges(app.stage);
  if (!groups.length) {
    box.push(el("p", { class: "hint" }, count.placed ? `${count.placed} nodes were placed; see Placement.` : "This pass left the graph as it was."));
    return box;
  }
  box.push(el("h3", {}, `Changes (${groups.length})`));
  const list = el("ol", { class: "groups" });
  let shown = 0;
  const more = () => {
    for (const group of groups.slice(shown, shown + 150)) {
      const part = (nodes, what, side) => nodes.slice(0, 12).map((node) => nodeLink(app, node, group.path, { side, what })).concat(nodes.length > 12 ? [el("small", {}, `and ${nodes.length - 12} more`)] : []);
      const inside = group.path ? graphName(stageGraphs(app.stage).has(group.path) ? app.stage : app.stage - 1, group.path) : "";
      list.append(el("li", {}, inside ? el("small", {}, `in ${show(inside)}`) : null, part(group.removed, "removed", "before"), group.removed.length && group.added.length ? el("span", { class: "arrow" }, "↓") : null, part(group.added, "added", "after"), part(group.changed, "changed", "after")));
    }
    shown += 150;
    if (shown < groups.length) list.append(el("li", { class: "more" }, el("button", { onclick: (event) => { event.target.parentElement.remove(); more(); } }, `${groups.length - shown} more`)));
  };
  more();
  box.push(list);
  return box;
}

function table(columns, rows, { limit = 400, cell } = {}) {
  const body = el("tbody");
  let shown = 0;
  const more = () => {
    for (const row of rows.slice(shown, shown + limit)) body.append(el("tr", {}, row.map((text, i) => el("td", {}, cell ? cell(text, i, row) : show(text)))));
    shown += limit;
    if (shown < rows.length) body.append(el("tr", { class: "more" }, el("td", { colspan: columns.length }, el("button", { onclick: (event) => { event.target.closest("tr").remove(); more(); } }, `Show ${Math.min(limit, rows.length - shown)} of ${rows.length - shown} more`))));
  };
  more();
  return el("table", {}, el("thead", {}, el("tr", {}, columns.map((name) => el("th", {}, show(name))))), body);
}

function placementView(app) {
  const rows = data.placement.filter((row) => app.matches(`${row.target} ${row.operation} ${row.source} ${row.answers.join(" ")}`));
  const count = new Map();
  for (const row of data.placement) count.set(row.target, (count.get(row.target) ?? 0) + 1);
  const targets = [...count.keys()].sort();
  return [
    el("div", { class: "cards" }, targets.map((name) => el("div", { class: "card" }, el("b", { style: `color:var(--target-${(app.targetIndex(name) % 5) + 1})` }, show(name)), el("span", {}, `${count.get(name)} nodes`)))),
    table(["target", "operation", "source", "what each target answered"], rows.map((row) => [row.target, row.operation, row.source, row.answers]), {
      cell: (text, i) => i === 0 ? el("b", { style: `color:var(--target-${(app.targetIndex(text) % 5) + 1})` }, show(text)) : i === 3 ? text.map((answer) => el("div", { class: /: no\b/.test(answer) ? "refused" : "" }, show(answer))) : i === 2 && text.length > 1 ? el("button", { class: "link", title: "Find its nodes", onclick: () => app.search(text) }, show(text)) : show(text),
    }),
  ];
}

function planView(app) {
  const rows = data.plan.rows.filter((row) => app.matches(row.join(" ")));
  return [el("h2", {}, show(data.plan.title)), table(data.plan.columns, rows)];
}
