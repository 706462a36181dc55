import { ofEarlierRounds, pastObjects } from "../entities/past-rounds.ts";
import { nearestName } from "../entities/suggest.ts";

/**
 * What to write in place of a member that is not there, where that can be told; else "".
 *
 * @param text the whole of what was asked for, as `player.agee`
 */
export function memberHint(target: unknown, key: string | number, text: string): string {
  const [owner = ""] = text.split(".");
  if (owner === "loop" || owner === "forloop") {
    return " In a loop there are loop.count (from 1), loop.index (from 0), loop.is_first and loop.is_last.";
  }
  const display = /^get_(\w+)_display$/.exec(String(key));
  if (display !== null) return ` Write ${text.slice(0, text.lastIndexOf("."))}.field_display("${display[1]}").`;
  if (typeof target !== "object" || target === null) return "";
  const instead = pastObjects.has(target) ? ofEarlierRounds(String(key)) : undefined;
  if (instead !== undefined) return ` ${instead}.`;
  const names = Reflect.ownKeys(target).filter((name) => typeof name === "string");
  const nearest = Array.isArray(target) ? undefined : nearestName(String(key), names);
  return nearest === undefined ? "" : ` Did you mean ${nearest}?`;
}
