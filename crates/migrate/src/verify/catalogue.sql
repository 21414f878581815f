-- Kind, name and definition of everything in the database that is neither PostgreSQL's nor an extension's.
WITH space AS (
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
),
relation AS (
    SELECT c.oid, c.relkind, c.reltype, format('%s.%s', s.nspname, c.relname) AS name, c.relpersistence,
           c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relispartition, c.relpartbound
    FROM pg_class c JOIN space s ON s.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT 'schema' AS kind, nspname::text AS name, '' AS definition FROM space
UNION ALL
SELECT 'extension', extname::text, '' FROM pg_extension
UNION ALL
SELECT 'table', name, concat_ws(' ',
           CASE relpersistence WHEN 'u' THEN 'unlogged' END,
           CASE relkind WHEN 'p' THEN 'partition by ' || pg_get_partkeydef(oid) WHEN 'f' THEN 'foreign' END,
           pg_get_expr(relpartbound, oid),
           CASE WHEN relrowsecurity THEN 'row security' END,
           CASE WHEN relforcerowsecurity THEN 'forced' END,
           array_to_string(reloptions, ', '))
FROM relation WHERE relkind IN ('r', 'p', 'f')
UNION ALL
SELECT CASE relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, name, pg_get_viewdef(oid)
FROM relation WHERE relkind IN ('v', 'm')
UNION ALL
SELECT 'column', format('%s.%s', r.name, a.attname), concat_ws(' ',
           format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation <> t.typcollation
                THEN 'collate ' || (SELECT collname FROM pg_collation c WHERE c.oid = a.attcollation) END,
           CASE WHEN a.attnotnull THEN 'not null' END,
           CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
           CASE WHEN a.attgenerated <> '' THEN 'generated' WHEN d.oid IS NOT NULL THEN 'default' END,
           pg_get_expr(d.adbin, d.adrelid))
FROM relation r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f', 'c')
UNION ALL
SELECT 'constraint', format('%s.%s', r.name, k.conname), pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN relation r ON r.oid = k.conrelid WHERE k.contype NOT IN ('n', 't')
UNION ALL
SELECT 'index', format('%s.%s', r.name, split_part(x.name, '.', 2)),
       pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
FROM pg_index i JOIN relation r ON r.oid = i.indrelid JOIN relation x ON x.oid = i.indexrelid
WHERE x.relkind IN ('i', 'I')
UNION ALL
SELECT 'sequence', r.name, format('%s start %s increment %s from %s to %s cache %s%s',
           format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
           CASE WHEN q.seqcycle THEN ' cycle' ELSE '' END)
FROM pg_sequence q JOIN relation r ON r.oid = q.seqrelid
UNION ALL
SELECT 'trigger', format('%s.%s', r.name, t.tgname),
       pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'O' THEN '' ELSE format(' (%s)', t.tgenabled) END
FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'rule', format('%s.%s', r.name, w.rulename), pg_get_ruledef(w.oid)
FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'policy', format('%s.%s', r.name, p.polname), concat_ws(' ', p.polcmd::text, p.polpermissive::text,
           (SELECT string_agg(coalesce(o.rolname, 'public'), ', ' ORDER BY o.rolname)
            FROM unnest(p.polroles) AS role LEFT JOIN pg_roles o ON o.oid = role),
           'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy p JOIN relation r ON r.oid = p.polrelid
UNION ALL
SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
       format('%s.%s(%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
       pg_get_functiondef(p.oid)
FROM pg_proc p JOIN space s ON s.oid = p.pronamespace
WHERE p.prokind IN ('f', 'p', 'w')
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'type' END,
       format('%s.%s', s.nspname, t.typname),
       CASE t.typtype
       WHEN 'e' THEN (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                      FROM pg_enum e WHERE e.enumtypid = t.oid)
       WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
                               CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault,
                               (SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname)
                                FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))
       ELSE '' END
FROM pg_type t JOIN space s ON s.oid = t.typnamespace
WHERE (t.typtype IN ('e', 'd', 'r')
       OR (t.typtype = 'c' AND EXISTS (SELECT FROM relation r WHERE r.oid = t.typrelid AND r.relkind = 'c')))
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
