-- expect: rename-column
ALTER TABLE "poll; DROP" RENAME COLUMN "Question" TO question;
