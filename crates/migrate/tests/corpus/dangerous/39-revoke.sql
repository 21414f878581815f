-- expect: revoke
REVOKE SELECT ON poll FROM site;
