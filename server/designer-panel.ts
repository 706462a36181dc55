import express, { type Request, type Response, type Router } from "express";
import type { Game, SessionConfig } from "../rooms/calls.ts";
import type { Access } from "./access.ts";
import { type Found, Participants } from "./participants.ts";
import { isSameOrigin } from "./same-origin.ts";

export interface DesignerPanelOptions {
  game: Game;
  access: Access;
  /** URL of the panel's script. */
  script: string;
}

/**
 * The window for designers at the lower edge of live pages (client-sdk/panel/). It shows fields that no
 * participant may see, and restarts groups, so that it exists only
 *
 * - in development: a production server has neither the script nor these routes, and does not make one of these,
 * - in demo sessions, where nobody's data is,
 * - for whom the desk is open: at the server's own machine, or after the login. Everybody else in the network gets
 *   the page as it is in production, also in a demo session.
 */
export class DesignerPanel {
  readonly #options: DesignerPanelOptions;
  readonly router: Router = express.Router();

  constructor(options: DesignerPanelOptions) {
    this.#options = options;
    const { game } = options;
    const participants = new Participants(game);

    const designer = async (request: Request, response: Response): Promise<Found | undefined> => {
      response.set("Cache-Control", "no-store");
      const found = await participants.find(String(request.params.code));
      if (found !== undefined && isSameOrigin(request) && this.isFor(request, found)) return found;
      response.status(403).json({ code: "not_allowed", message: "Only designers may do this, in demo sessions." });
      return undefined;
    };

    this.router.post("/p/:code/panel/restart", async (request, response) => {
      const found = await designer(request, response);
      if (found === undefined) return;
      if (found.actorId !== null) game.restart(found.actorId);
      response.json({ restarted: found.actorId });
    });

    this.router.post("/p/:code/panel/start-over", async (request, response) => {
      const found = await designer(request, response);
      if (found === undefined) return;
      const session = await game.store.read.session({ code: found.sessionCode });
      const config: SessionConfig = JSON.parse(String(session?.config));
      const participants = (await game.store.read.participants(found.sessionId)).length;
      const fresh = await game.createSession(config, { participants, isDemo: true });
      response.json({ session: fresh.code });
    });
  }

  /** Whether this request gets the panel with its page, and a seat for it. */
  isFor(request: Request, found: Found): boolean {
    return found.isDemo && this.#options.access.of(request) === "open";
  }

  /** The tag of the panel's script, for a participant's page; to stand before any script of the author. */
  tag(found: Found): string {
    return `<script src="${this.#options.script}" data-url="/p/${found.code}/panel"></script>`;
  }
}
