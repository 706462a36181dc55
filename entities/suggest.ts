import { AuthorError } from "../client-sdk/errors.ts";

/** The known name that was probably meant: `live_method` → `live`, `inital` → `initial`; undefined if none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.replaceAll("_", "").toLowerCase();
  const wanted = plain(name);
  let best: string | undefined;
  let least = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    const other = plain(candidate);
    const near = other !== "" && (wanted.startsWith(other) || (wanted.length > 2 && other.startsWith(wanted)));
    const away = near ? 1 : distance(wanted, other);
    if (away < least) {
      least = away;
      best = candidate;
    }
  }
  return best;
}

/** Where options belong that are often looked for elsewhere, as they are in oTree. */
const HOMES: Readonly<Record<string, string>> = {
  creatingSession: "app.creatingSession((subsession) => { ... }) after defineApp",
  pages: 'app.page("Name", { ... }) after defineApp, a call for each page',
  pageSequence: 'app.page("Name", { ... }) after defineApp, a call for each page',
  customExport: 'app.customExport("name", { ... }) after defineApp',
  afterAllPlayersArrive: 'app.waitPage("Name", { afterAllPlayersArrive(group) { ... } })',
  waitForAllGroups: 'app.waitPage("Name", { waitForAllGroups: true })',
  groupByArrivalTime: 'app.waitPage("Name", { groupByArrivalTime: true }) as the app\'s first page',
  isDisplayed: 'app.page("Name", { isDisplayed: (player) => ... })',
  varsForTemplate: 'app.page("Name", { varsForTemplate: (player) => ({ ... }) })',
  beforeNextPage: 'app.page("Name", { beforeNextPage(player) { ... } })',
  live: 'app.page("Name", { live(player, data) { ... } })',
  rooms: "labs, as Walras calls them",
};

function homeOf(key: string): string {
  const plain = (text: string) => text.replaceAll("_", "").toLowerCase();
  const name = Object.keys(HOMES).find((one) => plain(one) === plain(key));
  return name === undefined ? "" : ` It belongs into ${HOMES[name]}.`;
}

/**
 * Refuses keys that nothing would ever read, because a misspelt option must not be ignored in silence.
 *
 * @param where names the object in the message, e.g. "auction: page Bidding"
 * @throws AuthorError `unknown_option`
 */
export function checkKeys(object: object, known: readonly string[], where: string): void {
  for (const key of Object.keys(object)) {
    if (known.includes(key)) continue;
    const nearest = nearestName(key, known);
    const hint = nearest === undefined ? homeOf(key) : ` Did you mean "${nearest}"?`;
    throw new AuthorError(
      "unknown_option",
      `${where} has no option "${key}".${hint} Its options are ${known.join(", ")}.`,
    );
  }
}

/** How many letters must be inserted, deleted or replaced to make one text the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
