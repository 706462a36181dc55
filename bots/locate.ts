import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Turns a place of a stack, `file:///home/me/game/apps/a/bots.ts:3:7`, into `apps/a/bots.ts:3`, if it is in this folder. */
export function locateIn(root: string): (place: string) => string | undefined {
  return (place) => {
    const [, file = "", line = ""] = /^(.*?):(\d+):\d+$/.exec(place) ?? [];
    const path = relative(root, file.startsWith("file:") ? fileURLToPath(file) : file);
    return path === "" || path.startsWith("..") ? undefined : `${path.replaceAll(sep, "/")}:${line}`;
  };
}
