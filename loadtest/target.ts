import { messageOf, WalrasError } from "../client-sdk/errors.ts";
import type { NewSessionAnswer, NewSessionRequest } from "../server/api.ts";
import type { Figures } from "../server/figures.ts";
import type { Plan } from "./plan.ts";

/** How to reach a server's desk: JSON, to be handed to other processes. */
export interface Place {
  /** Without a path. */
  origin: string;
  /** The login's, or empty. */
  cookie: string;
}

/** Longest wait for a page of the desk, in milliseconds. */
const PATIENCE_MS = 30_000;
/** A session of thousands takes its time on a busy disk. */
const SESSION_PATIENCE_MS = 120_000;

/** What is played in a session. */
export type Played = Pick<Plan, "config" | "apps" | "players" | "sessionPerGroup">;

/** A server under load, as its experimenter sees it: makes sessions, reads figures. */
export class Target {
  readonly place: Place;

  constructor(place: Place) {
    this.place = place;
  }

  /**
   * Finds the server, logs in where it asks for that, and makes sure that it gives its figures.
   *
   * @throws WalrasError `server_down`, `not_walras`, `password_missing`, `password_wrong`, `not_allowed`
   */
  static async open(server: URL, password: string | undefined): Promise<Target> {
    const { origin } = server;
    const target = new Target({ origin, cookie: "" });
    const first = await target.#request("GET", "/api/figures");
    if (first.ok) return target;
    if (first.status === 403) {
      throw new WalrasError(
        "not_allowed",
        `${origin} lets nobody from elsewhere make sessions: it was started without an admin password. Start it with WALRAS_ADMIN_PASSWORD, and give that as --password.`,
      );
    }
    if (first.status !== 401) {
      throw new WalrasError(
        "not_walras",
        `${origin} answers (${first.status}), but gives no figures: it is no Walras server, or an older one. Update it, or check the address.`,
      );
    }
    if (password === undefined) {
      throw new WalrasError(
        "password_missing",
        `${origin} asks for its admin password. Give it as WALRAS_ADMIN_PASSWORD, or with --password.`,
      );
    }
    const login = await target.#request("POST", "/login", new URLSearchParams({ password }));
    const cookie = login.headers.getSetCookie()[0]?.split(";")[0];
    if (login.status !== 303 || cookie === undefined) {
      const tooMany = login.status === 429 ? " It takes no more tries for some minutes." : "";
      throw new WalrasError("password_wrong", `${origin} refuses the admin password.${tooMany} Check --password.`);
    }
    return new Target({ origin, cookie });
  }

  /**
   * Sessions for so many groups of bots: one for all of them, or one for each.
   *
   * @returns the start links of each group's participants @throws WalrasError `no_session` with the server's reason
   */
  async invite(game: Played, groups: number): Promise<string[][]> {
    const { config, apps, players, sessionPerGroup } = game;
    const what = config === undefined ? { apps } : { config };
    const invited: string[][] = [];
    while (invited.length < groups) {
      const participants = (sessionPerGroup ? 1 : groups) * players;
      const links = await this.#createSession({ ...what, participants, displayName: "Load test" });
      for (let i = 0; i < links.length; i += players) invited.push(links.slice(i, i + players));
    }
    return invited;
  }

  async #createSession(request: NewSessionRequest): Promise<string[]> {
    // A demo session: its pages tell bots where they are.
    const body = JSON.stringify({ ...request, isDemo: true } satisfies NewSessionRequest);
    const response = await this.#request("POST", "/api/sessions", body, SESSION_PATIENCE_MS);
    const answer = (await response.json().catch(() => ({}))) as Partial<NewSessionAnswer & { message: string }>;
    if (response.status === 201 && answer.links !== undefined) {
      return answer.links.map((link) => this.place.origin + link);
    }
    throw new WalrasError(
      "no_session",
      `${this.place.origin} did not make a session: ${answer.message ?? `it answered ${response.status}`}`,
    );
  }

  /** @throws WalrasError `server_down` or `no_figures` */
  async figures(withSize = false): Promise<Figures> {
    const response = await this.#request("GET", `/api/figures${withSize ? "?database=size" : ""}`);
    if (response.ok) return (await response.json()) as Figures;
    throw new WalrasError("no_figures", `${this.place.origin} gives no figures (${response.status}).`);
  }

  async #request(method: string, path: string, body?: string | URLSearchParams, patience = PATIENCE_MS) {
    const { origin, cookie } = this.place;
    try {
      return await fetch(origin + path, {
        method,
        ...(body === undefined ? {} : { body }),
        headers: {
          ...(cookie === "" ? {} : { cookie }),
          ...(typeof body === "string" ? { "content-type": "application/json" } : {}),
        },
        redirect: "manual",
        signal: AbortSignal.timeout(patience),
      });
    } catch (error) {
      // fetch says only "fetch failed"; the reason is its cause.
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const reason = cause instanceof Error && "code" in cause ? String(cause.code) : messageOf(cause);
      throw new WalrasError(
        "server_down",
        `Nothing answers at ${origin} (${reason}). Start the server there with npm start, check the address, or leave out --server.`,
        { cause: error },
      );
    }
  }
}
