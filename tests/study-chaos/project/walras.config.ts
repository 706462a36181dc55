import { defineConfig, integer } from "walras";

/** One session for the whole run, as large and as long as the harness says. */
export default defineConfig({
  participantFields: { earned: integer({ initial: 0 }) },
  sessionFields: { paid: integer({ initial: 0 }), barriers: integer({ initial: 0 }) },
  sessionConfigs: [
    {
      name: "study",
      appSequence: ["study", "end"],
      numDemoParticipants: Number(process.env.STUDY_PARTICIPANTS ?? 4),
    },
  ],
});
