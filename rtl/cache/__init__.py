"""Write-back cache controller with range maintenance."""
