import { WalrasError } from "../client-sdk/errors.ts";
import type { PageWalk } from "./page-walk.ts";
import type { WaitPage } from "./wait-pages.ts";

/**
 * An experimenter does not want those on a wait page to wait any longer. A page of a group, or of all groups, is
 * complete from now on, whoever is missing; somebody in a lobby gets a group of those who are there.
 *
 * @returns what is to be done when that is stored
 * @throws WalrasError `wait_page_failed`: it is not the missing who keep them waiting
 */
export function advanceWait(walk: PageWalk, page: WaitPage): () => void {
  const { actor, view, participantId } = walk;
  const { waits, barriers } = actor;
  if (waits.isLobby(page)) return () => waits.form(participantId);
  if (waits.hasFailed(page)) {
    throw new WalrasError(
      "wait_page_failed",
      `What runs when everybody has arrived at ${page.identity} has failed. Retry it; nobody can be moved past it.`,
    );
  }
  waits.setAdvanced(view.unit, page);
  return () => {
    if (page.wait.scope === "subsession") barriers?.arrived(actor, page);
  };
}
