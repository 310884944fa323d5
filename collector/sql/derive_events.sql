-- Spans and log records that became known in (from, until] as events of one workflow: one row for each that reaches a
-- step and has no event yet. Business time is the start of the span, or the time of the record.
WITH
    {types:Array(String)} AS types,
    {rules:Array(Array(String))} AS rules,
-- What may be a step of this workflow, each once however often it was sent. `facts` are the attributes that anything
-- below asks for: its own before those of its resource. What the receiver traces of itself is no step of anything.
fresh AS (
    SELECT signal, TraceId, SpanId, record, name, service, failed, at, duration, own, resource, inner, known_at,
        mapFilter((name, value) -> has({wanted:Array(String)}, name), mapUpdate(resource, own)) AS facts,
        facts['tieout.flow'] AS flow
    FROM telemetry
    WHERE known_at > {from:DateTime64(6, 'UTC')} AND known_at <= {until:DateTime64(6, 'UTC')}
        AND scope != 'tieout.collector'
        AND flow IN ('', {workflow:String})
        AND (own['tieout.flow'] != '' OR (signal = 'span' AND flow != '') OR own['tieout.step'] != ''
            OR has({any_name:Array(String)}, signal) OR has({selector_names:Array(String)}, name))
    ORDER BY known_at
    LIMIT 1 BY TraceId, SpanId, record
),
-- The step each reaches: the one it names itself, else the first selector that holds in all its parts. What says
-- that it belongs to this workflow and reaches no step is `unmapped`, so that it can be seen; of a program whose whole
-- resource says so, its spans are, and its chatter is not.
placed AS (
    SELECT *,
        toDateTime64(at, 6, 'UTC') AS happened_at,
        own['tieout.step'] AS own_step,
        arrayMap(name -> facts[name], {tested:Array(String)}) AS tested_values,
        arrayFirst(
            place -> arrayAll(test -> tested_values[test.1] = test.2, {selector_tests:Array(Array(Tuple(UInt16, String)))}[place]),
            arrayFilter(
                (place, wanted_signal, wanted_name, system) ->
                    wanted_signal = signal AND wanted_name IN ('', name) AND system IN ('', service),
                arrayEnumerate({selector_names:Array(String)}),
                {selector_signals:Array(String)},
                {selector_names:Array(String)},
                {selector_systems:Array(String)})) AS selector,
        multiIf(
            has({steps:Array(String)}, own_step), own_step,
            own_step = '' AND selector > 0, {selector_steps:Array(String)}[selector],
            own['tieout.flow'] != '' OR (signal = 'span' AND flow != ''), 'unmapped',
            '') AS reached,
        own['tieout.event_id'] AS own_id,
        multiIf(
            own_id != '', own_id,
            lower(hex(substring(SHA256(if(
                signal = 'span',
                toString((TraceId, SpanId, {workflow:String}, reached)),
                toString((TraceId, SpanId, record, {workflow:String}, reached)))), 1, 16)))) AS id
    FROM fresh
    WHERE reached != ''
),
-- Events there are already. One span or id has one business time, so only that stretch is read.
known AS (
    SELECT event_id, trace_id, span_id, step, attributes['signal'] = 'log' AS logged
    FROM events
    WHERE workflow = {workflow:String}
        AND occurred_at BETWEEN {first:DateTime64(6, 'UTC')} AND {last:DateTime64(6, 'UTC')}
),
-- Every attribute that names an object or a correlation id, lists taken apart: its own, then baggage, span events, links,
-- and its resource.
named AS (
    SELECT *,
        arrayMap(
            m -> mapFilter((name, value) -> startsWith(name, 'tieout.') OR has({relevant:Array(String)}, name), m),
            arrayConcat(
                [own],
                arrayMap(header -> baggage_of(arrayStringConcat(values_of(own[header]), ',')), {baggage:Array(String)}),
                inner,
                [resource])) AS maps,
        arrayFlatten(arrayMap(
            m -> arrayMap(
                key -> (m['tieout.entity.type'], key, m['tieout.entity.role']),
                if(m['tieout.entity.type'] = '', [], values_of(m['tieout.entity.id']))),
            maps)) AS entities,
        arrayFlatten(arrayMap(
            m -> arrayFlatten(arrayMap((name, value) -> arrayMap(v -> (name, v), values_of(value)), mapKeys(m), mapValues(m))),
            maps)) AS pairs,
        arrayFilter(
            pair -> pair.2 != '',
            arrayFlatten(arrayMap(
                name -> arrayMap(p -> (p.1, trimBoth(p.2)), arrayFilter(p -> p.1 = name, pairs)),
                {ids:Array(String)}))) AS found_ids
    FROM placed
    WHERE id NOT IN (SELECT event_id FROM known)
        AND (signal = 'log'
            OR (TraceId, SpanId) NOT IN (SELECT trace_id, span_id FROM known WHERE step != 'unmapped' AND NOT logged))
    ORDER BY known_at
    LIMIT 1 BY id
)
SELECT
    id AS event_id,
    {workflow:String} AS workflow,
    reached AS step,
    happened_at AS occurred_at,
    -- What an earlier run passed over is news of this run: what was known then stays as it was.
    if(n.known_at > {mark:DateTime64(6, 'UTC')}, n.known_at, {now:DateTime64(6, 'UTC')}) AS known_at,
    arrayDistinct(arrayConcat(
        arrayFilter(
            o -> o.2 != '',
            arrayMap(
                o -> (o.1, normalise_key(o.2, if(has(types, o.1), rules[indexOf(types, o.1)], ['trim'])), o.3),
                arrayConcat(
                    entities,
                    arrayMap(
                        p -> (substring(p.1, length('tieout.object.') + 1), p.2, ''),
                        arrayFilter(p -> startsWith(p.1, 'tieout.object.'), pairs)),
                    arrayFlatten(arrayMap(
                        o -> arrayMap(p -> (o.type, p.2, o.role), arrayFilter(p -> p.1 = o.attribute, pairs)),
                        {objects:Array(Tuple(type String, attribute String, role String))}))))),
        -- An id found under several names keeps the first of them.
        arrayMap(
            pair -> ('correlation_id', pair.2, pair.1),
            arrayFilter(
                (pair, place) -> indexOf(arrayMap(p -> p.2, found_ids), pair.2) = place,
                found_ids,
                arrayEnumerate(found_ids))))) AS touched,
    arrayMap(o -> o.1, touched) AS `objects.type`,
    arrayMap(o -> o.2, touched) AS `objects.key`,
    arrayMap(o -> o.3, touched) AS `objects.role`,
    arrayFirst(text -> text != '', arrayMap(name -> trimBoth(facts[name]), {amounts:Array(String)})) AS amount_text,
    if(match(amount_text, '^[+-]?[0-9]{1,26}([.][0-9]{1,6}0*)?$'), toDecimal128OrNull(amount_text, 6), NULL) AS amount,
    arrayFirst(
        code -> match(code, '^[A-Z]{3}$'),
        arrayMap(name -> upper(trimBoth(facts[name])), {currencies:Array(String)})) AS currency_code,
    if(amount IS NULL, '', currency_code) AS currency,
    if(failed OR has({failed_steps:Array(String)}, reached), 'failed', 'ok') AS outcome,
    toUInt16(least(65535, greatest(1, arrayFirst(
        try -> try > 0,
        arrayMap(
            (name, first) -> if(match(facts[name], '^[0-9]{1,6}$'), toInt32OrZero(facts[name]) + 1 - first, 0),
            {attempts:Array(String)},
            {first_attempts:Array(Int32)}))))) AS attempt,
    arrayFirst(who -> who != '', arrayMap(name -> trimBoth(facts[name]), {actors:Array(String)})) AS actor,
    mapFilter(
        (name, value) -> value != '',
        mapFromArrays(
            {dims:Array(String)},
            arrayMap(
                names -> arrayFirst(value -> value != '', arrayMap(name -> trimBoth(facts[name]), names)),
                {dim_attributes:Array(Array(String))}))) AS dims,
    -- What is not listed is not kept, but for what tieout itself has to say of the span.
    mapConcat(
        mapFilter((name, value) -> has({kept:Array(String)}, name), facts),
        if(empty(found_ids), map(), map('correlation_id', found_ids[1].2)),
        if(reached = 'unmapped', map('activity', name), map()),
        if(signal = 'log', map('signal', 'log'), map()),
        if(duration < 0, map('quality', 'end before start'), map())) AS attributes,
    TraceId AS trace_id,
    SpanId AS span_id,
    if(facts['tieout.source'] != '', facts['tieout.source'], concat('otlp/', service)) AS source,
    own['tieout.source_ref'] AS source_ref
FROM named AS n
