-- What runs of a time may be asked about: the environments, versions, models and types of error that they tell.

-- name: read_facets
-- Values by facet with their runs, the most frequent first; of whole hours, so that no row of a single run is read.
WITH figures AS (
    SELECT kind, environment, version, item, detail, executions
    FROM analytics.rollup_hours
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind IN ('execution', 'failure', 'timeout', 'model')
      AND bucket >= %(start)s AND bucket < %(stop)s
    UNION ALL
    SELECT kind, environment, version, item, detail, executions
    FROM analytics.rollup_deltas
    WHERE workspace_id = %(workspace_id)s AND agent_id = %(agent_id)s AND kind IN ('execution', 'failure', 'timeout', 'model')
      AND bucket >= %(start)s AND bucket < %(stop)s
),
told AS (
    SELECT 'environments' AS facet, environment AS value, executions FROM figures WHERE kind = 'execution'
    UNION ALL
    SELECT 'versions', version, executions FROM figures WHERE kind = 'execution'
    UNION ALL
    SELECT 'models', item, executions FROM figures WHERE kind = 'model'
    UNION ALL
    SELECT 'error_types', detail, executions FROM figures WHERE kind IN ('failure', 'timeout')
),
counted AS (
    SELECT facet, value, sum(executions)::bigint AS executions,
           row_number() OVER (PARTITION BY facet ORDER BY sum(executions) DESC, value) AS place
    FROM told
    WHERE value <> ''
    GROUP BY facet, value
    HAVING sum(executions) > 0
)
SELECT facet, value, executions FROM counted WHERE place <= %(limit)s ORDER BY facet, place
