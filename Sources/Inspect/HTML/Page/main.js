// State of the page, and what follows from a change of it.
const TABS = [["graph", "Graph"], ["nodes", "Nodes"], ["diff", "Text diff"], ["placement", "Placement"], ["plan", "Plan"]];
const byId = (id) => document.getElementById(id);

const app = {
  stage: data.stages.length - 1, side: "after", path: "", uid: null, tab: "graph", query: "", constants: false, colorBy: "kind", near: false,
  targets: [...new Set(data.versions.map((row) => str(row[8])).filter(Boolean))].sort(),
  targetIndex(name) { return Math.max(0, this.targets.indexOf(name)); },

  shownStage() { return this.side === "before" && this.stage > 0 ? this.stage - 1 : this.stage; },
  graphAt(stage) { return stageGraphs(stage).get(this.path)?.graph; },
  graph() { return this.graphAt(this.shownStage()); },
  other(stage, uid) { return this.graphAt(stage)?.byUid.get(uid); },
  matches(text) { return !this.query || text.toLowerCase().includes(this.query.toLowerCase()); },

  // What is marked: added and changed nodes after the pass, removed and changed ones before it.
  status(path = this.path) { return compare(this.stage).get(path) ?? new Map(); },

  go(change) {
    const before = { ...this };
    Object.assign(this, change);
    if (change.stage !== undefined && change.side === undefined && before.stage !== this.stage) this.side = "after";
    if (!this.graph()) {
      if (this.graphAt(this.stage) === undefined && this.stage > 0 && this.graphAt(this.stage - 1)) this.side = "before";
      else if (this.graphAt(this.stage)) this.side = "after";
      else this.path = "";
    }
    if (this.uid !== null && !this.graph().byUid.has(this.uid)) this.uid = null;
    const moved = before.stage !== this.stage || before.side !== this.side || before.path !== this.path;
    if (before.stage !== this.stage || change.redraw) passList(this);
    this.render(moved, before, change);
    clearTimeout(this.remember);
    this.remember = setTimeout(() => this.address(), 150);
  },

  // The address of the page tells what it shows: a reload or a copied link comes back to it.
  address() {
    const state = new URLSearchParams({ pass: this.stage, tab: this.tab });
    if (this.side === "before") state.set("side", "before");
    if (this.path) state.set("path", this.path);
    if (this.uid !== null) state.set("node", this.uid);
    for (const symbol of data.symbols) if (sizes[symbol]) state.set("size." + symbol, sizes[symbol]);
    try { history.replaceState(null, "", "#" + state); } catch { /* a page without an address */ }
  },

  search(text) {
    byId("search").value = text;
    this.query = text;
    this.go({ tab: "nodes", redraw: true });
  },

  refreshWork() {
    passList(this);
    this.go({});
  },

  // MARK: rendering

  render(moved, before, change) {
    for (const [name] of TABS) {
      byId("view-" + name).hidden = name !== this.tab;
      byId("tab-" + name)?.setAttribute("aria-selected", name === this.tab);
    }
    this.renderToolbar();
    if (this.tab === "graph") {
      const sceneKey = [this.graph().index, this.stage, this.side, this.constants, this.near ? this.uid : "", JSON.stringify(sizes)].join();
      if (sceneKey !== this.sceneKey) {
        const fresh = !this.sceneKey || before.path !== this.path || before.near !== this.near;
        this.sceneKey = sceneKey;
        this.buildScene(fresh);
        if (fresh && this.uid === null) this.view.start();
        if (before.stage !== this.stage && this.uid === null && !fresh) this.showFirstChange();
      }
      this.view.selected = this.uid;
      if (this.uid !== null && (before.uid !== this.uid || moved || change.reveal)) this.view.reveal(this.uid, true);
      this.view.draw();
      this.renderLegend();
    }
    if (this.tab === "nodes") this.renderNodes();
    if (this.tab === "diff") this.renderDiff();
    if (this.tab === "placement") byId("view-placement").replaceChildren(...placementView(this));
    if (this.tab === "plan") byId("view-plan").replaceChildren(...planView(this));
    this.renderInspector();
  },

  renderInspector() {
    const node = this.uid !== null ? this.graph().byUid.get(this.uid) : null;
    const box = byId("inspector");
    box.replaceChildren(...(node ? inspectNode(this, this.graph(), node) : inspectStage(this)).flat(Infinity).filter(Boolean));
    box.scrollTop = 0;
  },

  marks(path = this.path) {
    const marks = new Map();
    for (const [uid, what] of this.status(path)) {
      if (this.side === "before" ? what !== "added" : what !== "removed") marks.set(uid, what);
    }
    return marks;
  },

  buildScene(fresh) {
    const g = this.graph(), marks = this.marks();
    let only = null;
    if (this.near && this.uid !== null) only = this.neighbours(g, this.uid, 4);
    else if (g.nodes.length > 20000) only = this.neighbours(g, this.uid ?? g.nodes[0].uid, 40);
    const scene = this.view.scene_of(g, marks, { constants: this.constants, only });
    this.view.setScene(scene, !fresh);
  },

  neighbours(g, uid, hops) {
    const found = new Set([uid]);
    let rim = [g.byUid.get(uid)];
    for (let i = 0; i < hops && rim.length && found.size < 4000; i++) {
      const next = [];
      for (const node of rim) {
        const around = node.operands.map((v) => g.producer.get(v)).concat(node.results.flatMap((r) => g.users.get(r.value) ?? []));
        for (const other of around) if (other && !found.has(other.uid)) { found.add(other.uid); next.push(other); }
        for (const v of node.operands) if (g.inputs.some((input) => input.value === v)) found.add("i" + v);
        g.outputs.forEach((o, index) => { if (node.results.some((r) => r.value === o.value)) found.add("o" + index); });
      }
      rim = next;
    }
    return found;
  },

  changes() {
    const marks = this.marks();
    return this.graph().nodes.filter((node) => ["added", "removed", "changed", "placed"].includes(marks.get(node.uid)) && (this.constants || node.constant === null));
  },

  showFirstChange() {
    const first = this.changes()[0];
    if (first) this.view.reveal(first.uid, true);
  },

  step(direction) {
    const list = this.changes();
    if (!list.length) return;
    const order = new Map(this.graph().nodes.map((node, i) => [node.uid, i]));
    const here = this.uid !== null ? order.get(this.uid) : direction > 0 ? -1 : Infinity;
    const next = direction > 0 ? list.find((node) => order.get(node.uid) > here) ?? list[0] : list.findLast((node) => order.get(node.uid) < here) ?? list[list.length - 1];
    this.go({ uid: next.uid, reveal: true });
  },

  renderToolbar() {
    const bar = byId("toolbar");
    bar.replaceChildren();
    if (this.tab === "graph" || this.tab === "nodes") {
      const crumbs = el("div", { class: "crumbs" });
      const trail = [];
      for (let path = this.path; ; ) {
        const at = stageGraphs(this.shownStage()).get(path);
        trail.unshift(path);
        if (!at.owner) break;
        path = at.owner.path;
      }
      trail.forEach((path, i) => {
        crumbs.append(i ? el("span", {}, "›") : "", el("button", { class: i === trail.length - 1 ? "here" : "", onclick: () => this.go({ path, uid: null }) }, show(graphName(this.shownStage(), path))));
      });
      bar.append(crumbs);
      if (this.stage > 0) {
        const has = (stage) => Boolean(this.graphAt(stage));
        bar.append(el("div", { class: "switch", role: "group", "aria-label": "Before or after the pass" },
          ...[["before", this.stage - 1], ["after", this.stage]].map(([side, stage]) => el("button", { class: this.side === side ? "on" : "", disabled: !has(stage), onclick: () => this.go({ side }), title: `${side} ${data.stages[this.stage].name} (b)` }, side))));
        const count = this.changes().length;
        bar.append(el("div", { class: "steps" }, el("button", { disabled: !count, title: "Previous change (p)", "aria-label": "Previous change", onclick: () => this.step(-1) }, "‹"),
          el("span", {}, count === 1 ? "1 change" : `${count} changes`), el("button", { disabled: !count, title: "Next change (n)", "aria-label": "Next change", onclick: () => this.step(1) }, "›")));
      }
      bar.append(el("span", { class: "grow" }));
      bar.append(el("label", { class: "check" }, el("input", { type: "checkbox", checked: this.constants, onchange: (event) => this.go({ constants: event.target.checked }) }), "constants"));
    }
    if (this.tab === "graph") {
      bar.append(el("label", { class: "check", title: "Only what is at most four steps from the selected node" }, el("input", { type: "checkbox", checked: this.near, disabled: this.uid === null && !this.near, onchange: (event) => this.go({ near: event.target.checked, reveal: true }) }), "neighbours only"));
      const select = el("select", { "aria-label": "Colour", onchange: (event) => { this.view.colorBy = this.colorBy = event.target.value; this.go({}); } },
        ...["kind", "target", "flops"].map((name) => el("option", { value: name, selected: this.colorBy === name }, `colour: ${name}`)));
      bar.append(select, el("button", { title: "Fit (f)", onclick: () => this.view.fit() }, "Fit"));
    }
    if (this.tab === "nodes") bar.append(el("span", { class: "muted", id: "count" }));
    if (this.tab === "diff") {
      bar.append(el("span", {}, this.stage ? `${show(data.stages[this.stage - 1].name)} → ${show(data.stages[this.stage].name)}` : show(data.stages[0].name)), el("span", { class: "grow" }),
        el("label", { class: "check" }, el("input", { type: "checkbox", checked: this.whole, onchange: (event) => { this.whole = event.target.checked; this.go({}); } }), "whole graph"));
    }
    bar.hidden = !bar.childNodes.length;
  },

  renderLegend() {
    const box = byId("legend");
    const kinds = new Set(this.view.scene.items.map((item) => item.kind)), marks = new Set(this.view.scene.items.map((item) => item.status).filter(Boolean));
    box.replaceChildren();
    const chip = (color, name) => el("span", {}, el("i", { style: `background:${color}` }), name);
    if (this.colorBy === "target") box.append(...this.targets.map((name, i) => chip(`var(--target-${(i % 5) + 1})`, show(name))));
    else if (this.colorBy === "flops") box.append(chip("var(--heat)", `up to ${scaled(this.view.scene.heat, "flop")}`));
    else box.append(...data.kinds.filter((kind) => kinds.has(kind)).map((kind) => chip(`var(--k-${kind})`, kind)));
    for (const what of ["added", "changed", "rewired", "placed", "removed"]) if (marks.has(what)) box.append(el("span", { class: "status" }, el("i", { class: `ring ${what}` }), what));
  },

  renderNodes() {
    const box = byId("view-nodes");
    if (!this.nodeList) {
      box.append(el("div", { class: "thead" }, ...["", "operation", "name, source", "results", "target", "flops", "bytes"].map((name) => el("span", {}, name))));
      const scroll = el("div", { class: "scroll" });
      box.append(scroll);
      this.nodeList = new LongList(scroll, 30, ({ node, status, path }) => {
        const flops = work(node.flops), bytes = work(node.bytes);
        return el("button", { class: `nrow${status ? " s-" + status : ""}${node.uid === this.uid ? " on" : ""}`, onclick: () => this.go({ path, uid: node.uid }), ondblclick: () => this.go({ path, uid: node.uid, tab: "graph", reveal: true }) },
          el("span", { class: "mark" }, { added: "+", removed: "−", changed: "~", placed: "⌂", rewired: "·" }[status] ?? ""),
          el("span", {}, el("i", { class: "dot", style: `background:var(--k-${node.kind})` }), show(node.title)), el("span", {}, show(nodeLabel(node))),
          el("span", { class: "mono" }, show(node.results.map((r) => typeText(r.type)).join(", "))), el("span", {}, show(node.target)),
          el("span", { class: "num" }, node.flops === "0" ? "" : scaled(flops)), el("span", { class: "num" }, node.bytes === "0" ? "" : scaled(bytes)));
      });
    }
    // A search looks into nested graphs too.
    const rows = [];
    for (const [path, { graph: g }] of stageGraphs(this.shownStage())) {
      if (path !== this.path && !this.query) continue;
      const marks = this.marks(path);
      for (const node of g.nodes) if ((this.constants || node.constant === null) && this.matches(haystack(node))) rows.push({ node, path, status: marks.get(node.uid) });
    }
    this.nodeList.set(rows);
    byId("count").textContent = rows.length === 1 ? "1 node" : `${rows.length} nodes`;
    const at = rows.findIndex((row) => row.node.uid === this.uid);
    if (at >= 0 && this.uid !== this.lastListed) {
      const top = at * 30, box = this.nodeList.box;
      if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 30) this.nodeList.reveal(at);
    }
    this.lastListed = this.uid;
  },

  renderDiff() {
    const box = byId("view-diff");
    if (!this.diffList) {
      this.diffList = new LongList(box, 20, ([kind, line, skipped]) => el("div", { class: `dl ${kind === "+" ? "plus" : kind === "-" ? "minus" : skipped ? "skip" : ""}` }, el("b", {}, kind), show(line)));
    }
    let lines = this.stage === 0 ? textLines(graph(data.stages[0].graph), 0, []).map((line) => [" ", line]) : diff(this.stage);
    if (this.stage > 0 && !this.whole) {
      const keep = new Uint8Array(lines.length);
      lines.forEach(([kind], i) => { if (kind !== " ") for (let k = Math.max(0, i - 2); k <= Math.min(lines.length - 1, i + 2); k++) keep[k] = 1; });
      const short = [];
      let hidden = 0;
      lines.forEach((line, i) => {
        if (keep[i]) {
          if (hidden) short.push([" ", `⋯ ${hidden} lines`, true]);
          hidden = 0;
          short.push(line);
        } else hidden++;
      });
      if (hidden && short.length) short.push([" ", `⋯ ${hidden} lines`, true]);
      lines = short.length ? short : [[" ", "This pass left the text of the graph as it was.", true]];
    }
    let longest = 0;
    for (const [, line] of lines) longest = Math.max(longest, line.length);
    this.diffList.set(lines, `${longest + 6}ch`);
    if (this.lastDiff !== this.stage) box.scrollTop = 0;
    this.lastDiff = this.stage;
  },
};

const haystack = (node) => `${node.title} ${node.op} ${node.target} ${node.results.map((r) => r.name + " " + r.type).join(" ")} ${sourceText(node)}`;

function renderResults() {
  const box = byId("results");
  box.replaceChildren();
  if (!app.query) { box.hidden = true; return; }
  const found = [];
  for (const [path, { graph: g }] of stageGraphs(app.shownStage())) {
    for (const node of g.nodes) {
      if (!app.matches(haystack(node))) continue;
      found.push([path, node]);
      if (found.length > 60) break;
    }
  }
  for (const [path, node] of found.slice(0, 60))
    box.append(el("button", { role: "option", onclick: () => { box.hidden = true; app.go({ path, uid: node.uid, tab: "graph", constants: app.constants || node.constant !== null, reveal: true }); } },
      el("span", { class: "dot", style: `background:var(--k-${node.kind})` }), el("b", {}, show(node.title)), el("span", {}, show(nodeLabel(node))), el("code", {}, show(node.results[0]?.type ?? ""))));
  if (!found.length) box.append(el("p", {}, "Nothing found in this stage."));
  else if (found.length > 60) box.append(el("p", {}, "More in the list of nodes: press Enter."));
  box.hidden = false;
}

function setUp() {
  readPalette();
  app.view = new GraphView(byId("canvas"), byId("map"), byId("tip"), {
    select: (item) => app.go({ uid: item && !item.port ? item.id : null }),
    open: (item) => app.go({ path: graph(item.node.graphs[0]).path, uid: null }),
  });
  app.view.targets = app.targets;
  app.view.colorBy = app.colorBy;
  for (const [name, title] of TABS) {
    if (name === "placement" && !data.placement.length) continue;
    if (name === "plan" && !data.plan) continue;
    byId("tabs").append(el("button", { id: "tab-" + name, role: "tab", onclick: () => app.go({ tab: name }) }, title));
  }
  const repaint = () => { readPalette(); app.view.draw(); };
  byId("theme").addEventListener("click", () => {
    const isDark = getComputedStyle(document.documentElement).getPropertyValue("--is-dark").trim() === "1";
    document.documentElement.dataset.theme = isDark ? "light" : "dark";
    repaint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  byId("help").addEventListener("click", () => byId("keys").showModal());
  byId("quiet").addEventListener("change", () => passList(app));
  const search = byId("search");
  search.addEventListener("input", () => {
    app.query = search.value.trim();
    renderResults();
    if (app.tab !== "graph") app.go({});
  });
  search.addEventListener("focus", () => { if (app.query) renderResults(); });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { byId("results").hidden = true; app.go({ tab: "nodes" }); }
    if (event.key === "ArrowDown") { event.preventDefault(); byId("results").querySelector("button")?.focus(); }
    if (event.key === "Escape") { search.value = ""; app.query = ""; byId("results").hidden = true; search.blur(); app.go({}); }
  });
  byId("results").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); document.activeElement.nextElementSibling?.focus(); }
    if (event.key === "ArrowUp") { event.preventDefault(); (document.activeElement.previousElementSibling ?? search).focus(); }
    if (event.key === "Escape") { byId("results").hidden = true; search.focus(); }
  });
  document.addEventListener("pointerdown", (event) => { if (!event.target.closest(".search")) byId("results").hidden = true; });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey || byId("keys").open || event.target.closest("#results")) return;
    const last = data.stages.length - 1;
    const keys = {
      ArrowDown: () => app.go({ stage: Math.min(last, app.stage + 1) }), ArrowUp: () => app.go({ stage: Math.max(0, app.stage - 1) }),
      n: () => app.step(1), p: () => app.step(-1), b: () => { if (app.stage) app.go({ side: app.side === "before" ? "after" : "before" }); },
      "/": () => byId("search").select(), f: () => app.view.fit(), "?": () => byId("keys").showModal(),
      "+": () => app.view.zoom(1.25, app.view.size().width / 2, app.view.size().height / 2), "-": () => app.view.zoom(0.8, app.view.size().width / 2, app.view.size().height / 2),
      Escape: () => { if (app.uid !== null) app.go({ uid: null }); else if (app.path) { const owner = stageGraphs(app.shownStage()).get(app.path)?.owner; app.go({ path: owner?.path ?? "", uid: owner?.uid ?? null }); } },
    };
    const tabs = [...byId("tabs").children];
    if (/^[1-5]$/.test(event.key) && tabs[event.key - 1]) tabs[event.key - 1].click();
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });
  const state = new URLSearchParams(location.hash.slice(1));
  for (const symbol of data.symbols) {
    const value = Number(state.get("size." + symbol));
    if (Number.isInteger(value) && value > 0) sizes[symbol] = value;
  }
  sizePanel(app);
  const number = (name, low, high, fallback) => { const n = Number(state.get(name)); return state.has(name) && Number.isInteger(n) && n >= low && n <= high ? n : fallback; };
  if (state.get("theme")) document.documentElement.dataset.theme = state.get("theme") === "dark" ? "dark" : "light";
  if (state.has("still")) app.view.instant = true;
  readPalette();
  app.stage = number("pass", 0, data.stages.length - 1, app.stage);
  if (state.get("side") === "before") app.side = "before";
  app.path = stageGraphs(app.shownStage()).has(state.get("path") ?? "") ? state.get("path") ?? "" : "";
  app.view.resize();
  passList(app);
  const tab = TABS.map(([name]) => name).includes(state.get("tab")) && byId("tab-" + state.get("tab")) ? state.get("tab") : "graph";
  app.go({ tab, uid: number("node", 0, Infinity, null) });
  if (app.uid === null && app.stage > 0 && tab === "graph") app.showFirstChange();
}
setUp();
