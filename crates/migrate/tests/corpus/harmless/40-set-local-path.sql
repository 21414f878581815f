SET LOCAL search_path = archive, public;
SELECT 1;
