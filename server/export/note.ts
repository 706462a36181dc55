/** What people are told of apps that are no longer there; empty: nothing. */
export function noteOn(removedApps: readonly string[]): string {
  if (removedApps.length === 0) return "";
  const names = removedApps.join(", ");
  return `Sessions have played ${names}, which apps/ no longer has: its tables are missing here, and only its payoffs are counted. To have everything, put the folder back and export again.`;
}
