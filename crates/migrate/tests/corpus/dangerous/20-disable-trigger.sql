-- expect: disable-trigger
ALTER TABLE poll DISABLE TRIGGER ALL;
