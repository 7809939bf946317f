import { useMemo } from "react";

import type { Schemas } from "../../api/client";
import { count } from "../../format/numbers";
import { TimeChart } from "../../ui/TimeChart";
import { everyHour, spread } from "../figures";

type Ledger = Schemas["IngestLedger"];

const format = (value: number | null) => count(value);

/** What came and what of it was not stored, by the hour. */
export function ArrivalChart({ ledger }: { ledger: Ledger }) {
  const chart = useMemo(() => {
    const rows = ledger.by_hour;
    const timesMs = everyHour(rows.map(({ hour }) => hour));
    const series = [
      { label: "Received", colour: "--accent", shape: "bars", values: spread(timesMs, rows, (row) => row.received, 0), format },
      { label: "Rejected", colour: "--bad", shape: "bars", values: spread(timesMs, rows, (row) => row.rejected, 0), format },
    ] as const;
    return { fromMs: Date.parse(ledger.from), toMs: Date.parse(ledger.to), timesMs, series };
  }, [ledger]);
  const { received, stored, rejected } = ledger.totals;
  return <TimeChart {...chart} summary={`${count(received)} received, ${count(stored)} stored, ${count(rejected)} rejected.`} />;
}
