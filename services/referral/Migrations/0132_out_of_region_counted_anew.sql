-- The indicator "out of region" has the definition of the flag now: another region and no alliance in common. What was
-- counted before is counted anew by the next pass of the reader.

update measure_progress set counted_to = 0;
