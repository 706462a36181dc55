import { defineConfig } from "walras";

export default defineConfig({
  currency: { decimals: 2 },
  sessionConfigDefaults: { participationFee: 5, realWorldCurrencyPerPoint: 0.1 },
  sessionConfigs: [
    { name: "study", displayName: "A <b>study</b>", appSequence: ["study"], numDemoParticipants: 4 },
    { name: "together", displayName: "Together", appSequence: ["together"], numDemoParticipants: 4 },
    { name: "meeting", appSequence: ["meeting"], numDemoParticipants: 3 },
  ],
});
