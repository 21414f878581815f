-- expect: dynamic-sql
DO $body$ BEGIN EXECUTE format('DROP TABLE %I', 'poll'); END $body$;
