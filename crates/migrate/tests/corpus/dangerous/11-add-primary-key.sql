-- expect: add-unique
ALTER TABLE vote ADD PRIMARY KEY (id);
