"""What a unit or lot is called: GS1 Digital Link, codes to scan, labels, serials that betray no volume."""
