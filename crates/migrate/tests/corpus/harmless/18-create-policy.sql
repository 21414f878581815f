CREATE POLICY own ON poll USING (author_id = current_setting('site.author')::uuid);
