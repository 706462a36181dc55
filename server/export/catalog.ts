import { WalrasError } from "../../client-sdk/errors.ts";
import type { AppSpec } from "../../entities/app-spec.ts";
import { NO_OWN_FIELDS } from "../../entities/own-fields.ts";
import type { Snapshot } from "../../entities/snapshot.ts";
import { nearestName } from "../../entities/suggest.ts";
import { SubsessionTable } from "../../entities/system-tables.ts";
import type { Config } from "../../rooms/walras-config.ts";
import { type Source, sessionsOf } from "./cells.ts";
import { chat } from "./chat.ts";
import { customExport } from "./custom.ts";
import type { DataSet, DataTable, Listed } from "./data-set.ts";
import { dictionary } from "./dictionary.ts";
import { journal } from "./journal.ts";
import { pageTimes } from "./page-times.ts";
import { payments } from "./payments.ts";
import { extraModel, perApp } from "./per-app.ts";
import { sessionTable } from "./sessions.ts";
import { wide } from "./wide.ts";

export interface CatalogOptions {
  readonly apps: ReadonlyMap<string, AppSpec>;
  readonly config: Config;
  /** Only this session's rows. */
  readonly session?: string | undefined;
}

type Maker = Listed & { make(source: Source): DataTable | Promise<DataTable> };

/** Whatever can be downloaded of these apps. */
export function listing(apps: ReadonlyMap<string, AppSpec>): readonly Listed[] {
  return [...makers([...apps.values()]), DICTIONARY];
}

/** Whatever can be downloaded, with its data; and the apps that were played and are no longer there. */
export interface Catalog {
  readonly sets: readonly DataSet[];
  readonly removedApps: readonly string[];
  readonly sessionId: number | undefined;
}

/** @throws WalrasError `no_such_session` */
export async function catalog(snapshot: Snapshot, options: CatalogOptions): Promise<Catalog> {
  const apps = [...options.apps.values()];
  const sessionId = await sessionIdOf(snapshot, options.session);
  const { currency } = options.config;
  const removedApps = await removedOf(snapshot, options.apps, sessionId);
  const source: Source = {
    snapshot,
    apps,
    sessionId,
    sessions: await sessionsOf(snapshot, sessionId),
    ownFields: options.config.ownFields ?? NO_OWN_FIELDS,
    decimals: currency.decimals,
    currencyUnit: currency.code ?? "points",
    formats: options.config.languages?.of(),
  };
  const sets: DataSet[] = [];
  for (const { make, ...listed } of makers(apps)) sets.push({ ...listed, ...(await make(source)) });
  return { sets: [...sets, { ...DICTIONARY, ...dictionary(sets, DICTIONARY) }], removedApps, sessionId };
}

/** Apps that sessions have played and whose folder has gone since: their tables are there, but nobody can say what they hold. */
async function removedOf(
  snapshot: Snapshot,
  apps: ReadonlyMap<string, AppSpec>,
  sessionId: number | undefined,
): Promise<string[]> {
  const names = new Set<string>();
  for await (const rows of snapshot.scan(SubsessionTable, sessionId))
    for (const { app } of rows) names.add(String(app));
  return [...names].filter((name) => !apps.has(name)).sort();
}

function makers(apps: readonly AppSpec[]): Maker[] {
  return [
    {
      id: "wide",
      file: "all_apps_wide",
      title: "All apps",
      about: "One row per participant, with all apps and rounds side by side.",
      make: wide,
    },
    ...apps.map((app) => ({
      id: `app/${app.name}`,
      file: app.name,
      title: app.title,
      about: "One row per player and round.",
      make: (source: Source) => perApp(app, source),
    })),
    ...apps.flatMap((app) =>
      app.exports.map((custom) => ({
        id: `${app.name}/custom/${custom.name}`,
        file: `${app.name}_${custom.name}`,
        title: `${app.title}: ${custom.name}`,
        about: custom.doc ?? "Made by the app itself.",
        make: (source: Source) => customExport(app, custom, source),
      })),
    ),
    ...apps.flatMap((app) =>
      Object.values(app.extras).map((model) => ({
        id: `${app.name}/${model.name}`,
        file: `${app.name}_${model.name}`,
        title: `${app.title}: ${model.name}`,
        about: `One row per ${model.name}.`,
        make: (source: Source) => extraModel(app, model, source),
      })),
    ),
    {
      id: "sessions",
      file: "sessions",
      title: "Sessions",
      about: "One row per session: what was played, with which parameters, when.",
      make: sessionTable,
    },
    {
      id: "payments",
      file: "payments",
      title: "Payments",
      about: "What each participant is to be paid.",
      make: payments,
    },
    {
      id: "page_times",
      file: "PageTimes",
      title: "Page times",
      about: "When each participant left each page.",
      make: pageTimes,
    },
    {
      id: "chat",
      file: "ChatMessages",
      title: "Chat logs",
      about: "What was said in chats.",
      make: chat,
    },
    {
      id: "journal",
      file: "journal",
      title: "Journal",
      about: "Every message and everything else that happened, in its order, with millisecond times.",
      make: journal,
    },
  ];
}

const DICTIONARY: Listed = {
  id: "dictionary",
  file: "data_dictionary",
  title: "Data dictionary",
  about: "Every column of every file: type, unit, meaning.",
};

/** The data set with this id. @throws WalrasError `no_such_export` with the nearest one */
export function choose<S extends Listed>(sets: readonly S[], id: string): S {
  const found = sets.find((set) => set.id === id);
  if (found !== undefined) return found;
  const ids = sets.map((set) => set.id);
  const meant = ids.find((one) => one === `app/${id}`) ?? nearestName(id, ids);
  throw new WalrasError(
    "no_such_export",
    `There is no data set ${id}.${meant === undefined ? "" : ` Did you mean ${meant}?`} There are: ${ids.join(", ")}, and all for everything in one archive.`,
  );
}

async function sessionIdOf(snapshot: Snapshot, code: string | undefined): Promise<number | undefined> {
  if (code === undefined) return undefined;
  const row = await snapshot.read.session({ code });
  if (row !== undefined) return Number(row.id);
  throw new WalrasError(
    "no_such_session",
    `There is no session ${code} in this database. See npm run walras -- sessions.`,
  );
}
