import { defineConfig } from "walras";
import { PLAYERS } from "./apps/market/index.ts";

/** One session for the whole run, as large as the harness says. */
export default defineConfig({
  sessionConfigs: [
    { name: "market", appSequence: ["market"], numDemoParticipants: PLAYERS * Number(process.env.CHAOS_GROUPS ?? 1) },
  ],
});
