"""The weekly-sales scenario: sales into Delta, models compared, the best one scored with PREDICT."""
