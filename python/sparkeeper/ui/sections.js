// What each section shows of the state.

import { axis, balance, lane, period } from "./charts.js";
import { h } from "./dom.js";
import { count, empty, isolated, moment, number, since, size, table } from "./words.js";

const SHOWN = 3;

/** All sections in their order: id, heading, how many, and their content, made when asked for. */
export function sections(state, now) {
  return [
    ["locks", "Locks and semaphores", state.locks.length, () => lines(state, state.locks, "Held by", now,
      empty("Nobody holds or waits for a lock.", "sparkeeper lock jobs/demo -- sleep 60"))],
    ["elections", "Elections", state.elections.length, () => lines(state, state.elections, "Led by", now,
      empty("Nobody stands for an election.", "sparkeeper elect streams/demo -- sleep 60"))],
    ["timeline", "Who led, who held", state.lanes.length, () => lanes(state, now)],
    ["groups", "Groups and services", state.groups.length, () => groups(state.groups, now)],
    ["balance", "Balance", state.plans.length + divided(state).length, () => balances(state)],
    ["work", "Tasks and queues", state.work.length, () => work(state.work)],
    ["tables", "Tables", state.tables.length, () => tables(state.tables)],
    ["sessions", "Sessions", state.sessions.length, () => sessions(state.sessions)],
  ];
}

function lines(state, found, held, now, nothing) {
  if (!found.length) return nothing;
  const grants = new Map(state.lanes.flatMap(({ path, spans }) => spans.map((span) => [`${path} ${span.token}`, span])));
  const grant = (line, one) => grants.get(`${line.path} ${one.token}`);
  return table("Who holds and who waits", ["Path", held, "Waiting"], found.map((line) => ({
    key: line.path,
    shows: [line, line.holders.map((one) => grant(line, one))],
    cells: () => [
      [isolated(line.path), " ", h("small", {}, line.kind.replace("_", "/").replace("_", " "))],
      people(line.holders, "holds", (one) => granted(grant(line, one), one, now)),
      people(line.waiters, "waits", (one) => ["for ", since(one.since, now)]),
    ],
  })), "cards");
}

/** Since when somebody holds, who may have waited before. */
function granted(span, one, now) {
  if (!span) return ["there for ", since(one.since, now)];
  return ["for ", span.early && "at least ", since(span.began, now)];
}

function people(all, state, told) {
  if (!all.length) return h("span", { class: "nobody" }, "nobody");
  const list = (some) => h("ul", { class: state }, some.map((one) => h(
    "li", { key: `${one.session}-${one.token}-${one.since}` },
    h("b", {}, one.owner),
    one.count > 1 && ` ${count(one.count)} permits`,
    one.asked && h("mark", {}, "asked to let go"),
    h("small", {}, told(one), one.token !== null && `, token ${one.token}`, `, session ${one.session}`),
  )));
  const more = all.slice(SHOWN);
  return [list(all.slice(0, SHOWN)), h("details", { class: more.length === 0 && "none" },
    h("summary", {}, more.length ? `and ${count(more.length)} more` : "and no more"), list(more))];
}

function lanes({ lanes: all, link }, now) {
  if (!all.length) return empty("Nobody led or held anything since this page's server began to watch.",
    "sparkeeper lock jobs/demo -- sleep 60");
  const shown = period(link.began, now);
  return [axis(shown), all.map((one) => lane(one, shown))];
}

function groups(all, now) {
  if (!all.length) return empty("Nobody is member of a group.", 'zk.group("workers").join(b"")');
  return table("Members", ["Path", "Members", "Progress"], all.map((group) => ({
    key: group.path,
    shows: group,
    cells: () => [
      [isolated(group.path), " ", h("small", {}, group.kind)],
      group.members.length ? h("ul", {}, group.members.map((one) => h("li", { key: one.name },
        h("b", {}, one.name), one.address && [" at ", isolated(one.address)], one.owns !== null && ` has ${count(one.owns)}`,
        h("small", {}, "for ", since(one.since, now), `, session ${one.session}`)))) : h("span", { class: "nobody" }, "nobody"),
      group.items === null ? "-" : [
        h("progress", { max: group.items, value: group.done, "aria-label": `done of ${group.path}` }), " ",
        `${count(group.done)} of ${count(group.items)} done`],
    ],
  })), "cards");
}

const divided = (state) => state.groups.filter((group) => group.assignment);

function balances(state) {
  const groups = divided(state);
  if (!groups.length && !state.plans.length) return empty("Nothing is divided among members, and no plan is published.",
    'zk.partitions("backfill", range(12)).join()');
  return [
    groups.map((group) => assignment(group.path, group.assignment)),
    state.plans.map(plan),
  ];
}

function assignment(path, found) {
  const { certificate, members } = found;
  const alike = members.every(({ capacity }) => capacity === null || capacity === 1);
  const measure = found.measure === "items" ? "Items" : "Weight";
  const even = certificate && `${alike ? "The" : "For each unit of capacity, the"} fullest has ${count(certificate.max_load)}`
    + `, and at least ${count(certificate.lower_bound)}`
    + ` is needed${certificate.gap === 0 ? ": nothing is more even" : ""}. ${count(certificate.moves)} moved with it,`
    + ` at least ${count(certificate.moves_lower_bound)} had to. `;
  const past = found.before === null ? "What was before is not known: it was published before this page's server began to watch."
    : `Before is generation ${count(found.before)}. `;
  return h("article", { key: `group ${path}` },
    h("h3", {}, isolated(path), " ", h("small", {}, `partitions, generation ${count(found.generation)}`)),
    h("p", {}, even, past, found.unowned && ` Some have no owner: ${found.unowned}.`,
      found.absent.length > 0 && ` Kept for those who are away: ${found.absent.join(", ")}.`),
    balance(`How ${path} is divided, by ${found.measure}`, ["Member", `${measure} before`, `${measure} now`, "Items claimed",
      !alike && "Capacity"], members.map((one) => ({ ...one,
      more: [one.claimed === null ? "gone" : count(one.claimed), !alike && (one.capacity && count(one.capacity))] }))));
}

function plan(found) {
  const { bars, partitions } = found;
  const ends = [
    found.plain_max === null ? null : { name: "by plain hash", value: found.plain_max },
    { name: "as planned", value: found.max_load },
    { name: "the least possible", value: found.lower_bound },
  ].filter(Boolean);
  const unit = found.unit === "1" ? "" : `, in units of ${found.unit}`;
  return h("article", { key: `plan ${found.name}` },
    h("h3", {}, isolated(found.name), " ", h("small", {}, `partition plan, version ${found.version}`)),
    h("p", {}, `Keys by ${found.columns.join(", ")} in ${count(partitions)} partitions, weighed by ${found.weights}${unit};`
      + ` made ${found.created_at} by ${found.created_by}.`),
    balance(`The fullest partition of ${found.name}`, ["The fullest partition", "", "Weighs"],
      ends.map(({ name, value }) => ({ name, before: null, now: value }))),
    h("details", {}, h("summary", {}, bars.length < partitions ? `The ${bars.length} fullest partitions` : "All partitions"),
      balance(`Weights of ${found.name}`, ["Partition", "Plain hash", "Planned"],
        bars.map(({ partition, before, now }) => ({ name: count(partition), before, now })))));
}

function work(all) {
  if (!all.length) return empty("There are no tasks and no queues.", 'zk.tasks("work").submit([1, 2, 3])');
  return table("Tasks and queues", ["Path", "Waiting", "At work", "Dead", "Results", "Workers"], all.map((one) => ({
    key: one.path,
    cells: [
      [isolated(one.path), " ", h("small", {}, one.kind)],
      count(one.queued - one.at_work), count(one.at_work), h("span", { class: one.dead > 0 && "bad" }, count(one.dead)),
      one.kind === "tasks" ? count(one.results) : "-", one.workers.join(", ") || "-",
    ],
  })), "cards");
}

function tables(all) {
  if (!all.length) return empty("No table was written.", 'zk.write(df).save("/data/flights")');
  return all.map((one) => h(
    "article", { key: one.id },
    h("h3", {}, isolated(one.path)),
    h("p", {}, `Version ${count(one.version)}, ${number(one.files, "file")}, ${size(one.bytes)}; `
      + (one.writers ? `${count(one.writers)} writing now.` : "nobody is writing."),
      !one.history.manifests && " Its manifests are not at hand here: this is what ZooKeeper has of its jobs."),
    one.history.versions.length > 0 && history(one),
  ));
}

const history = (one) => table(`The newest versions of ${one.path}`,
  ["Version", "Operation", "Job", "Added", "Removed", "Files after it", "Committed", "By"],
  one.history.versions.map((version) => ({
    key: `${version.version}`,
    cells: [count(version.version), version.operation, version.job,
      `${number(version.added, "file")}, ${size(version.added_bytes)}`,
      version.removed === undefined ? null : count(version.removed),
      version.files === undefined ? null : `${count(version.files)}, ${size(version.bytes)}`,
      moment(version.at), version.by],
  })), "scroll");

function sessions(all) {
  if (!all.length) return empty("No session has anything here.", "sparkeeper lock jobs/demo -- sleep 60");
  return table("Sessions", ["Session", "Who", "Nodes"], all.map((one) => ({
    key: one.session, shows: one, cells: () => [one.session, one.owner ?? "-", count(one.nodes)],
  })), "cards");
}
