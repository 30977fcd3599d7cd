import type { DatabaseSync } from "node:sqlite";
import type { Metric, MetricFilter, MetricPoint, PointFilter } from "./records.ts";
import { Conditions, limitOf, select } from "./row.ts";

/** The metrics that services sent, by service and name; instances of a service are one. */
export function metrics(db: DatabaseSync, filter: MetricFilter): Metric[] {
  const conditions = new Conditions().add("r.service = ?", filter.service);
  return select(
    db,
    `SELECT r.service, m.name, m.unit, max(m.description) AS description, m.type, count(p.id) AS points,
       max(p.time) AS last FROM metrics m JOIN resources r ON r.id = m.resource JOIN points p ON p.metric = m.id
       ${conditions.where()} GROUP BY r.service, m.name, m.unit, m.type ORDER BY r.service, m.name`,
    ...conditions.values,
  ).map((row) => ({
    service: row.text("service"),
    name: row.text("name"),
    unit: row.text("unit"),
    description: row.text("description"),
    type: row.text("type"),
    points: row.number("points"),
    last: row.nanos("last"),
  }));
}

/** The points of one metric that pass the filter, the newest first. */
export function points(db: DatabaseSync, filter: PointFilter): MetricPoint[] {
  const conditions = new Conditions()
    .add("m.name = ?", filter.name)
    .add("r.service = ?", filter.service)
    .add("p.time >= ?", filter.since)
    .add("p.time < ?", filter.until);
  return select(
    db,
    `SELECT p.*, m.name, r.service FROM metrics m JOIN resources r ON r.id = m.resource JOIN points p ON p.metric = m.id
       ${conditions.where()} ORDER BY p.time DESC, p.id DESC LIMIT ?`,
    ...conditions.values,
    limitOf(filter),
  ).map((row) => ({
    service: row.text("service"),
    name: row.text("name"),
    start: row.nanos("start"),
    time: row.nanos("time"),
    value: row.optionalNumber("value"),
    attributes: row.attributes(),
    detail: row.json("detail", undefined),
  }));
}
