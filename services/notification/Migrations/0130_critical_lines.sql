-- A report with a critical value (危急值) is told apart from the others in the inbox of whoever asked for it.

alter table inbox_item add critical boolean not null default false;
