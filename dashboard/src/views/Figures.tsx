import { useMemo } from "react";

import { cost, count, duration, percent } from "../format/numbers";
import { Histogram } from "../ui/Histogram";
import { MetricCard } from "../ui/MetricCard";
import { Panel } from "../ui/Panel";
import { TimeChart } from "../ui/TimeChart";
import styles from "./Figures.module.css";
import { Resources } from "./Resources";
import { type Difference, verdictOf } from "./compare/figures";
import { type Analytics, durationSeries, everyHour, loadSeries, loadSummary, successOf } from "./figures";

/** The headline figures, each with its change against the period before. */
export function MetricCards({ analytics, tested }: { analytics: Analytics; tested?: readonly Difference[] | undefined }) {
  const { statistics, change } = analytics;
  const of = (name: string) => significanceOf(tested, name);
  const tokens = sum(statistics.prompt_tokens, statistics.completion_tokens);
  return (
    <dl className={styles.cards}>
      <MetricCard
        title="Runs"
        value={count(statistics.total_executions)}
        change={change.total_executions}
        detail={statistics.running > 0 ? `${count(statistics.running)} running now` : "none running now"}
      />
      <MetricCard title="Success rate" value={percent(successOf(analytics))} change={change.success_rate} more="better" {...of("success_rate")} />
      <MetricCard
        title="Duration, median"
        value={duration(statistics.median_duration)}
        change={change.median_duration}
        more="worse"
        {...of("median_duration")}
        detail={`mean ${duration(statistics.avg_duration)}`}
      />
      <MetricCard
        title="Duration, p95"
        value={duration(statistics.p95_duration)}
        change={change.p95_duration}
        more="worse"
        {...of("p95_duration")}
        detail={`p99 ${duration(statistics.p99_duration)}`}
      />
      <MetricCard
        title="Tokens"
        value={count(tokens)}
        change={change.prompt_tokens}
        detail={`${count(statistics.prompt_tokens)} in, ${count(statistics.completion_tokens)} out`}
      />
      <MetricCard title="Cost" value={cost(statistics.total_cost_usd)} change={change.total_cost_usd} more="worse" />
      <MetricCard
        title="Credits"
        value={count(statistics.total_credits)}
        change={change.total_credits}
        more="worse"
        detail={statistics.avg_credits === null ? "no run tells any" : `${count(statistics.avg_credits)} per run`}
      />
    </dl>
  );
}

/** Whether the change of a figure is more than chance, where that was tested. */
function significanceOf(tested: readonly Difference[] | undefined, name: string): { isSignificant?: boolean } {
  const difference = tested?.find((each) => each.name === name);
  if (difference === undefined) return {};
  const verdict = verdictOf(difference);
  return verdict === "too few" || verdict === "untested" ? {} : { isSignificant: verdict !== "even" };
}

interface ChartsProps {
  analytics: Analytics;
  /** What happens to a stretch over which somebody has dragged. */
  drag: { hint: string; take: (startMs: number, stopMs: number) => void };
}

/** Load, durations and resources over time, and how durations are spread. */
export function Charts({ analytics, drag }: ChartsProps) {
  const { time, load, durations } = useMemo(() => {
    const [fromMs, toMs] = [Date.parse(analytics.from), Date.parse(analytics.to)];
    const timesMs = everyHour(analytics.execution_patterns.map((pattern) => pattern.hour));
    return {
      time: { fromMs, toMs, timesMs },
      load: loadSeries(timesMs, analytics),
      durations: durationSeries(timesMs, analytics),
    };
  }, [analytics]);
  return (
    <div className={styles.charts}>
      <Panel title="Runs by the hour" note={drag.hint}>
        <TimeChart summary={loadSummary(analytics)} {...time} series={load} onDrag={drag.take} />
      </Panel>
      <Panel title="Duration by the hour">
        <TimeChart
          summary={`Duration of runs by the hour; p95 over all: ${duration(analytics.statistics.p95_duration)}.`}
          {...time}
          series={durations}
          onDrag={drag.take}
        />
      </Panel>
      <Panel title="How long runs take" note="logarithmic scale">
        <Histogram buckets={analytics.durations} />
      </Panel>
      <Resources analytics={analytics} onDrag={drag.take} />
    </div>
  );
}

function sum(one: number | null, other: number | null): number | null {
  return one === null && other === null ? null : (one ?? 0) + (other ?? 0);
}
