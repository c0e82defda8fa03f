"""Where memory comes from: pages, objects, virtual ranges, pages set apart."""
