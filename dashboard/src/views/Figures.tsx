import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { cost, count, duration, percent } from "../format/numbers";
import { rangeOf } from "../time/window";
import { Histogram } from "../ui/Histogram";
import { MetricCard } from "../ui/MetricCard";
import { Panel } from "../ui/Panel";
import { TimeChart } from "../ui/TimeChart";
import styles from "./Figures.module.css";
import {
  type Analytics,
  costSeries,
  durationSeries,
  everyHour,
  loadSeries,
  loadSummary,
  successOf,
  tokenSeries,
} from "./figures";

/** The headline figures, each with its change against the period before. */
export function MetricCards({ analytics }: { analytics: Analytics }) {
  const { statistics, change } = analytics;
  const tokens = sum(statistics.prompt_tokens, statistics.completion_tokens);
  return (
    <dl className={styles.cards}>
      <MetricCard
        title="Runs"
        value={count(statistics.total_executions)}
        change={change.total_executions}
        detail={statistics.running > 0 ? `${count(statistics.running)} running now` : "none running now"}
      />
      <MetricCard title="Success rate" value={percent(successOf(analytics))} change={change.success_rate} more="better" />
      <MetricCard
        title="Duration, median"
        value={duration(statistics.median_duration)}
        change={change.median_duration}
        more="worse"
        detail={`mean ${duration(statistics.avg_duration)}`}
      />
      <MetricCard
        title="Duration, p95"
        value={duration(statistics.p95_duration)}
        change={change.p95_duration}
        more="worse"
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

/** Load, durations, tokens and cost over time, and how durations are spread. Dragging over a stretch shows that time. */
export function Charts({ analytics }: { analytics: Analytics }) {
  const navigate = useNavigate();
  const { time, load, durations, tokens, costs } = useMemo(() => {
    const [fromMs, toMs] = [Date.parse(analytics.from), Date.parse(analytics.to)];
    const timesMs = everyHour(analytics.execution_patterns.map((pattern) => pattern.hour));
    return {
      time: { fromMs, toMs, timesMs },
      load: loadSeries(timesMs, analytics),
      durations: durationSeries(timesMs, analytics),
      tokens: tokenSeries(timesMs, analytics),
      costs: costSeries(timesMs, analytics),
    };
  }, [analytics]);

  function show(startMs: number, stopMs: number) {
    void navigate({ to: ".", search: (search) => ({ ...search, range: rangeOf(startMs, stopMs) }) });
  }

  return (
    <div className={styles.charts}>
      <Panel title="Runs by the hour" note="drag over a stretch to look at it alone">
        <TimeChart summary={loadSummary(analytics)} {...time} series={load} onDrag={show} />
      </Panel>
      <Panel title="Duration by the hour">
        <TimeChart
          summary={`Duration of runs by the hour; p95 over all: ${duration(analytics.statistics.p95_duration)}.`}
          {...time}
          series={durations}
          onDrag={show}
        />
      </Panel>
      <Panel title="How long runs take" note="logarithmic scale">
        <Histogram buckets={analytics.durations} />
      </Panel>
      <Panel title="Tokens by the hour">
        <TimeChart
          summary={`${count(analytics.statistics.prompt_tokens)} input and ${count(analytics.statistics.completion_tokens)} output tokens in all.`}
          {...time}
          series={tokens}
          onDrag={show}
        />
      </Panel>
      <Panel title="Cost by the hour">
        <TimeChart
          summary={`${cost(analytics.statistics.total_cost_usd)} in all.`}
          {...time}
          series={costs}
          onDrag={show}
        />
      </Panel>
    </div>
  );
}

function sum(one: number | null, other: number | null): number | null {
  return one === null && other === null ? null : (one ?? 0) + (other ?? 0);
}
